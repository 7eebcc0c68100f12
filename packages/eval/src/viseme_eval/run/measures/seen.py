"""What networks see of a view's pictures: each looks once, whichever measures ask."""

import torch

from viseme_eval.networks.features import (
    EfficientNetLite0Features,
    PerceptualFeatures,
    PictureFeatures,
)
from viseme_eval.run.measure import View

Eye = PerceptualFeatures | EfficientNetLite0Features
"""Networks whose features several measures use."""


@torch.no_grad()
def seen_by(eye: Eye, view: View) -> PictureFeatures:
    """Return a network's features of whole frames, the same object whoever asks."""
    if eye not in view.shared:
        view.shared[eye] = eye.features(view.frames_T3HW)
    return view.shared[eye]

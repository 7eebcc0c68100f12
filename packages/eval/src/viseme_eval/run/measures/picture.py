"""Picture quality that needs no network: PSNR, SSIM, CPBD."""

from collections.abc import Mapping

from torch import Tensor

from viseme_eval.functional.cpbd import cpbd
from viseme_eval.functional.image import psnr, ssim
from viseme_eval.run.measure import Chunk, Quantity, View
from viseme_eval.run.measures.per_frame import FrameMeasure, FramePairMeasure

_LOWER = "Of the lower half of the crop, where mouth and jaw are (TalkFormer)."


class Psnr(FramePairMeasure):
    """Peak signal-to-noise ratio."""

    quantities = (
        Quantity(
            "psnr",
            "PSNR",
            "dB",
            "higher",
            "10 log10(4 / MSE) for values in [-1, 1], MSE over all channels and pixels of a frame; "
            "mean over frames. Infinite where a frame equals its reference.",
        ),
        Quantity("psnr_lower", "PSNR, lower half", "dB", "higher", _LOWER),
    )

    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return both of each frame."""
        pair = chunk.generated.frames_T3HW, chunk.reference.frames_T3HW
        return {"psnr": psnr(*pair), "psnr_lower": psnr(*pair, region="lower")}


class Ssim(FramePairMeasure):
    """Structural similarity."""

    quantities = (
        Quantity(
            "ssim",
            "SSIM",
            "",
            "higher",
            "Structural similarity (Wang et al., 2004) under a Gaussian of 1.5 pixels, each colour "
            "by itself; mean over pixels and frames. 1 for equal pictures.",
        ),
        Quantity("ssim_lower", "SSIM, lower half", "", "higher", _LOWER),
    )

    def of(self, chunk: Chunk) -> Mapping[str, Tensor]:
        """Return both of each frame."""
        pair = chunk.generated.frames_T3HW, chunk.reference.frames_T3HW
        return {"ssim": ssim(*pair), "ssim_lower": ssim(*pair, region="lower")}


class Cpbd(FrameMeasure):
    """Cumulative probability of blur detection."""

    quantities = (
        Quantity(
            "cpbd",
            "CPBD",
            "",
            "higher",
            "Share of edges too narrow to look blurred (Narvekar and Karam, 2011), of the crop at "
            "the size that is compared; mean over frames. It depends on that size.",
        ),
    )

    def of(self, view: View) -> Mapping[str, Tensor]:
        """Return it of each frame."""
        return {"cpbd": cpbd(view.frames_T3HW)}

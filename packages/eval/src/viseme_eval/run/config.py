"""Settings of `viseme-eval run`."""

from dataclasses import dataclass
from typing import Literal

Crop = Literal["face", "own", "none"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What to compare, and how."""

    generated: str
    """Folder of generated videos, or one video."""
    reference: str
    """Folder of real videos of the same relative names (suffixes may differ), or one video."""
    out: str
    """Folder of the report; finished clips in it are kept, so a broken run goes on."""
    audio: str = ""
    """Folder (or file) of the sound that drove the videos; by default that in the generated video,
    else in the reference."""
    name: str = ""
    """What tables call the method; empty is the name of --generated."""
    dataset: str = ""
    """What tables call the set of clips; empty is the name of --reference."""
    crop: Crop = "face"
    """face: both videos by the reference's stable face crop, so that pixels correspond; own: each
    by its own, for a generated crop against a whole picture; none: whole frames."""
    size: int = 256
    """Side of the crop in pixels (with --crop none frames keep the reference's size)."""
    batch: int = 25
    """Most frames at a time, fewer where frames are large; results do not depend on it."""
    only: tuple[str, ...] = ()
    """Names of quantities, e.g. psnr,ssim, by default all; those measured together come along."""
    device: str = "auto"
    """Where networks run: cpu, cuda or cuda:1; auto is cuda where there is one."""
    sync_network: str = ""
    """Our own sync network, as `make train-syncnet` leaves it: a file, or a run's folder; by
    default the one that comes with this package."""
    pictures: int = 8
    """Frames of each clip in the page's strips; 0 is none."""

    def __post_init__(self) -> None:
        if self.size < 32:
            raise ValueError(f"--size must be at least 32 pixels, got {self.size}")
        if self.batch < 1:
            raise ValueError(f"--batch must be at least 1, got {self.batch}")
        if self.pictures < 0:
            raise ValueError(f"--pictures must be at least 0, got {self.pictures}")

"""The README's picture, frames of the demo's film: `python -m viseme_pipeline.build_picture FILE`.

    python -m viseme_pipeline.build_picture docs/pictures/demo.png [--film out/demo.mp4]

The portrait is in the public domain, and the frames are those of the finished film, with its
watermark in them.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from viseme_data.media import read_audio, read_frames
from viseme_pipeline.chain import TalkingFace
from viseme_pipeline.demo import PORTRAIT, VOICE

NUM_FRAMES = 6
SIDE_PX = 224
# The face of the portrait: head and shoulders, without the flag and the model beside them.
_PART = (slice(0, 256), slice(96, 352))
_GAP_PX = 4
# Frames between two that are shown: lips are seen at different sounds.
_FIRST_SEC, _STEP_SEC = 0.36, 0.2
_FPS = 25
_MAX_COLORS = 256


def picture_of(film: Path) -> Image.Image:
    """Return frames of a film side by side, left to right in time.

    Args:
        film: The demo's film.
    """
    wanted = [round(_FPS * (_FIRST_SEC + _STEP_SEC * number)) for number in range(NUM_FRAMES)]
    shown = []
    for number, frame_HW3 in enumerate(read_frames(film)):
        if number in wanted:
            face = Image.fromarray(np.ascontiguousarray(frame_HW3[_PART]))
            shown.append(face.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))
        if number > wanted[-1]:
            break
    width = len(shown) * (SIDE_PX + _GAP_PX) - _GAP_PX
    strip = Image.new("RGB", (width, SIDE_PX), (255, 255, 255))
    for number, face in enumerate(shown):
        strip.paste(face, (number * (SIDE_PX + _GAP_PX), 0))
    return strip


def build(target: Path, film: Path | None = None) -> None:
    """Write the picture as a PNG of few colours, small enough for a repository.

    Args:
        target: File to write, ending in .png.
        film: The demo's film; made anew by default.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if film is None:
            film = Path(folder) / "demo.mp4"
            TalkingFace.from_pretrained(device="cpu").generate(VOICE, PORTRAIT, out=film)
        assert read_audio(film).seconds > _FIRST_SEC + NUM_FRAMES * _STEP_SEC
        strip = picture_of(film)
    few = strip.quantize(_MAX_COLORS, dither=Image.Dither.FLOYDSTEINBERG)
    few.save(target, optimize=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the picture that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--film", type=Path, help="the demo's film; made anew by default")
    given = parser.parse_args(arguments)
    build(given.target, given.film)


if __name__ == "__main__":
    main()

"""Still pictures: portraits as files of any common kind."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from viseme_data.container import MAX_SIDE_PX, MediaError, check_file
from viseme_data.upright import over_white

# Plain pixels only: Pillow would hand PostScript to another program.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA", "ICO")


def read_image(path: str | Path) -> np.ndarray:
    """Return a picture as uint8 RGB of shape (H, W, 3), upright as its EXIF data says.

    Transparent parts are white. Of an animation, the first frame. Sixteen bits are reduced to
    eight; colour profiles are left aside.

    Raises:
        MediaError: If there is no such file, or it is no picture that Pillow can read.
    """
    path = check_file(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that would fill the memory; our own limit refuses them.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise MediaError(
            "unsupported", f"{str(path)!r} has too many pixels ({error}); scale it down"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise MediaError(
            "unreadable",
            f"{str(path)!r} is no picture that can be read ({error}); convert it to PNG or JPEG",
        ) from error
    with image:
        if max(image.size) > MAX_SIDE_PX:
            raise MediaError(
                "unsupported",
                f"{str(path)!r} is {image.width} x {image.height} (limit {MAX_SIDE_PX}); "
                f"scale it down",
            )
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
        except (OSError, ValueError, SyntaxError) as error:
            raise MediaError(
                "damaged", f"{str(path)!r} breaks off ({error}); copy or download it again"
            ) from error
        return _to_rgb(upright, path)


def _to_rgb(image: Image.Image, path: Path) -> np.ndarray:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would cut everything above 255.
        grey = (np.asarray(image).astype(np.uint32) * 255 + 32_767) // 65_535
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
    if image.mode in ("I", "F"):
        raise MediaError(
            "unsupported",
            f"{str(path)!r} has pixels of 32 bits, whose white is unknown; save it with 8 or 16",
        )
    if image.has_transparency_data:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))

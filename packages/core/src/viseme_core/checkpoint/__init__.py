"""Stage files: what a trained stage is on disk, and how its weights come back into a module.

`header` says whose weights they are, `saving` writes them, `loading` reads stage files and
Lightning checkpoints or their headers alone, `weights` puts tensors into a module and reports on
every key.
"""

from viseme_core.checkpoint.header import (
    FORMAT,
    HEADER_KEY,
    VERSION,
    StageHeader,
    header_from_plain,
    header_to_plain,
)
from viseme_core.checkpoint.loading import StageFile, load_stage, read_header
from viseme_core.checkpoint.saving import save_stage
from viseme_core.checkpoint.weights import KeyReport, load_weights

__all__ = [
    "FORMAT",
    "HEADER_KEY",
    "VERSION",
    "KeyReport",
    "StageFile",
    "StageHeader",
    "header_from_plain",
    "header_to_plain",
    "load_stage",
    "load_weights",
    "read_header",
    "save_stage",
]

"""What a stage file says about itself, as plain values and as safetensors metadata."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from viseme_core.config import from_plain, to_plain

FORMAT = "viseme-stage"
VERSION = 1
HEADER_KEY = "viseme_stage"
"""Where a Lightning checkpoint keeps the header, as `header_to_plain` gives it."""

_JSON_KEYS = ("config", "audio")


@dataclass(frozen=True, kw_only=True)
class StageHeader:
    """Whose weights these are, and what is needed to build the stage around them."""

    stage: str
    """Stage that the weights belong to, e.g. `motion`."""
    system: str = ""
    """System within the stage, e.g. `fd2talk`; empty where a stage has only one."""
    config: dict[str, Any] = field(default_factory=dict)
    """The model's config as plain values (`viseme_core.config.to_plain`)."""
    audio: dict[str, Any] | None = None
    """Audio encoder and its settings, for stages that hear."""
    face_model: str | None = None
    """Face model of the coefficients, `NAME@HASH8`, for stages that read or write them."""
    layout: str | None = None
    """Landmark layout, for stages that read or write landmarks."""

    def __post_init__(self) -> None:
        if not self.stage:
            raise ValueError("StageHeader.stage must name the stage, got an empty string")
        for name in ("face_model", "layout"):
            if getattr(self, name) == "":
                raise ValueError(f"StageHeader.{name} must be a name or None, got ''")
        # A header that was read equals the one that was written only if tuples are lists already.
        for name in _JSON_KEYS:
            object.__setattr__(self, name, to_plain(getattr(self, name)))


def header_to_plain(header: StageHeader) -> dict[str, Any]:
    """Return a header as plain values with format and version, for a Lightning checkpoint."""
    return {"format": FORMAT, "version": VERSION, **to_plain(header)}


def header_from_plain(plain: Mapping[str, Any], *, where: str = "checkpoint") -> StageHeader:
    """Return the header that `header_to_plain` made.

    Args:
        plain: What `header_to_plain` made.
        where: File name that errors start with.

    Raises:
        ValueError: If the format is another, the version newer, or a field missing or wrong.
    """
    fields = dict(plain)
    found = fields.pop("format", None)
    if found != FORMAT:
        raise ValueError(
            f"{where} is no viseme stage: its format must be {FORMAT!r}, got {found!r}; weights "
            f"from elsewhere are read with their own tools and go in through load_weights"
        )
    version = fields.pop("version", None)
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"{where} is damaged: its version must be a number, got {version!r}")
    if version > VERSION:
        raise ValueError(
            f"{where} has format version {version}, this viseme reads up to {VERSION}; "
            f"upgrade viseme or save the stage again with this one"
        )
    return from_plain(StageHeader, fields, where=f"{where}: header")


def header_to_metadata(header: StageHeader) -> dict[str, str]:
    """Return a header as safetensors metadata: strings, empty where nothing applies."""
    metadata = {}
    for key, value in header_to_plain(header).items():
        if value is None:
            metadata[key] = ""
        elif key in _JSON_KEYS:
            metadata[key] = json.dumps(value, sort_keys=True, allow_nan=False)
        else:
            metadata[key] = str(value)
    return metadata


def header_from_metadata(metadata: Mapping[str, str], *, where: str) -> StageHeader:
    """Return the header that `header_to_metadata` made; raises as `header_from_plain` does."""
    plain: dict[str, Any] = {}
    for key, text in metadata.items():
        if key in _JSON_KEYS and text:
            try:
                plain[key] = json.loads(text)
            except json.JSONDecodeError as error:
                raise ValueError(f"{where} is damaged: its {key} is not JSON ({error})") from error
        elif key == "version":
            plain[key] = int(text) if text.isdecimal() else text
        else:
            # `system` is the one string that may be empty by itself.
            plain[key] = text if text or key == "system" else None
    return header_from_plain(plain, where=where)

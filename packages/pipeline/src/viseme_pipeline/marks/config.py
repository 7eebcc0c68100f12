"""Which marks a generated film carries."""

import logging
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path

import yaml

MARK_NAMES = ("watermark", "provenance")
"""The marks that a film carries unless a configuration leaves them out."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Which marks a generated film carries.

    Leaving out the watermark or the provenance is for lawful research only, such as measuring what
    a mark costs: there is no flag for it, it has to be written into a configuration file with its
    purpose, it is warned about at every use, and what provenance is left says so. Many countries
    oblige those who publish generated video to mark it.
    """

    watermark: bool = True
    """Invisible pattern in every frame that `viseme detect` finds after re-encoding."""
    provenance: bool = True
    """C2PA manifest in the file that says how it was made."""
    label: bool = False
    """Visible words "AI generated" in a corner of every frame."""
    purpose: str = ""
    """What a mark is left out for, in a sentence; needed if one is."""

    def __post_init__(self) -> None:
        for name in (*MARK_NAMES, "label"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ValueError(f"marks.{name} must be true or false, got {value!r}")
        if not isinstance(self.purpose, str):
            raise ValueError(f"marks.purpose must be a sentence, got {self.purpose!r}")
        if self.left_out and not self.purpose.strip():
            raise ValueError(
                f"marks.purpose must say in a sentence what research films without "
                f"{' and '.join(self.left_out)} are made for, got {self.purpose!r}; or leave all "
                f"marks on"
            )

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "Marks":
        """Return what a YAML file says.

        Args:
            path: File with the fields of this class, those that it leaves out as by default.

        Raises:
            ValueError: If there is no such file, or something else in it.
        """
        name = str(path)
        try:
            found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"--marks {name!r} cannot be read ({error}); check the path"
            ) from error
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"--marks {name!r} is no YAML ({reason}); correct it") from error
        known = [field.name for field in fields(cls)]
        given = list(map(str, found)) if isinstance(found, dict) else [repr(found)]
        if not isinstance(found, dict) or set(given) - set(known):
            raise ValueError(
                f"--marks {name!r} may hold {', '.join(known)}, such as `label: true`; got "
                f"{', '.join(given)}"
            )
        return cls(**found)

    @property
    def left_out(self) -> list[str]:
        """Names of the marks that films are made without."""
        return [name for name in MARK_NAMES if not getattr(self, name)]

    @property
    def facts(self) -> dict[str, str]:
        """What the provenance says of marks that are left out; nothing if none is."""
        if not self.left_out:
            return {}
        return {"marks_left_out": ", ".join(self.left_out), "purpose": self.purpose}

    def warn(self) -> None:
        """Log one warning that names the marks which are left out; none if all are there."""
        if self.left_out:
            logger.warning(
                "this film is made WITHOUT %s, as the configuration says, for: %s. This is for "
                "lawful research only; do not publish it as if it were a recording",
                " and ".join(self.left_out),
                self.purpose,
            )

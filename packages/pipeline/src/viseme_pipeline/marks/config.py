"""Which marks a generated film carries."""

import logging
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Which marks a generated film carries.

    Leaving out the watermark or the provenance is for lawful research only, such as measuring what
    a mark costs: there is no flag for it, it has to be written into a configuration file, and it is
    warned about. Many countries oblige those who publish generated video to mark it.
    """

    watermark: bool = True
    """Invisible pattern in every frame that `viseme detect` finds after re-encoding."""
    provenance: bool = True
    """C2PA manifest in the file that says how it was made."""
    label: bool = False
    """Visible words "AI generated" in a corner of every frame."""

    def warn(self) -> None:
        """Log one warning that names the marks which are left out; none if all are there."""
        missing = [name for name in ("watermark", "provenance") if not getattr(self, name)]
        if missing:
            logger.warning(
                "films are made WITHOUT %s, as the configuration says: this is for lawful research "
                "only; do not publish them as if they were recordings",
                " and ".join(missing),
            )

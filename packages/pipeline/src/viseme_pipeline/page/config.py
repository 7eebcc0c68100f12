"""Where the page is served, and what it takes."""

import ipaddress
from dataclasses import dataclass

from viseme_motion.presets import PresetName

_MAX_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Where the page is served, what it takes, and what makes its films."""

    host: str = "127.0.0.1"
    """Address to listen on; any other than the default lets other machines in."""
    port: int = 7860
    """Port to listen on."""
    max_seconds: float = 60.0
    """Longest voice that is taken."""
    max_upload_mb: float = 50.0
    """Largest file that is taken, in millions of bytes."""
    keep_minutes: float = 30.0
    """How long uploads and films are kept for those who made them; all go when the page ends."""
    max_waiting: int = 4
    """Jobs that may wait while one is done; those beyond are sent away."""
    motion: str | None = None
    """Motion stage: file, checkpoint or folder of a run; by default the embedded one."""
    renderer: str = "mesh"
    """`mesh`, or a renderer's stage."""
    preset: PresetName | None = None
    """Effort of the motion that is chosen at first; by default what suits the motion stage."""
    device: str | None = None
    """Where networks run; by default on a GPU if there is one."""

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("host must be an address such as 127.0.0.1, got ''")
        if not 1 <= self.port <= _MAX_PORT:
            raise ValueError(f"port must be from 1 to {_MAX_PORT}, got {self.port}")
        for name in ("max_seconds", "max_upload_mb", "keep_minutes"):
            value = getattr(self, name)
            # Written so that NaN fails too.
            if not value > 0:
                raise ValueError(f"{name} must be greater than 0, got {value}")
        if self.max_waiting < 1:
            raise ValueError(f"max_waiting must be at least 1, got {self.max_waiting}")

    @property
    def first_preset(self) -> PresetName:
        """Effort that is chosen at first: one step is enough for the embedded default alone."""
        if self.preset is not None:
            return self.preset
        return "direct" if self.motion is None else "fast"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def max_upload_bytes(self) -> int:
        """Largest file in bytes."""
        return int(self.max_upload_mb * 1e6)

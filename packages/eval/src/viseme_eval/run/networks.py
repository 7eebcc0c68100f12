"""Networks of a run: each is loaded once, and the report names its file and hash."""

from pathlib import Path

import torch

from viseme_eval.networks.face_network import FaceNetwork
from viseme_eval.networks.registry import find_weights, load_network
from viseme_eval.syncnet.config import NAME as OWN_SYNC
from viseme_eval.syncnet.network import SHIPPED, load_sync_network


class Networks:
    """Loads networks by name and remembers which were used.

    Args:
        device: Where they run.
        own_sync: File of our own sync network; by default the one that comes with this package.
    """

    def __init__(self, device: torch.device, *, own_sync: Path | None = None) -> None:
        self.device = device
        self.used: dict[str, dict[str, str]] = {}
        """File and hash (the start of its SHA-256) of every network that was loaded, by name."""
        self._own_sync = own_sync or SHIPPED
        self._loaded: dict[str, FaceNetwork] = {}
        self._refused: dict[str, Exception] = {}

    def load(self, name: str) -> FaceNetwork:
        """Return a network, ready for use.

        Raises:
            ValueError: If its file is absent or does not load, saying where it must be put.
            ImportError: If it is a stand-in whose package is not installed.
        """
        if name in self._refused:
            raise self._refused[name]
        if name not in self._loaded:
            try:
                network, file = self._read(name)
            except (ValueError, ImportError) as error:
                self._refused[name] = error
                raise
            self._loaded[name] = network
            self.used[name] = {"file": file.name, "sha256": network.fingerprint}
        return self._loaded[name]

    def _read(self, name: str) -> tuple[FaceNetwork, Path]:
        if name == OWN_SYNC:
            if self._own_sync == SHIPPED and not SHIPPED.is_file():
                raise ValueError(
                    f"weights absent, {SHIPPED.name} did not come with this package; train one "
                    f"and give it by --sync_network"
                )
            return load_sync_network(self._own_sync).to(self.device).eval(), self._own_sync
        file = find_weights(name)
        return load_network(name, file, self.device), file

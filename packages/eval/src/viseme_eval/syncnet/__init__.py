"""Our own sync network: trained on landmarks and sound, shipped small, for where no other is had.

from viseme_eval.syncnet import load_sync_network
"""

from viseme_eval.syncnet.config import SyncConfig
from viseme_eval.syncnet.network import LandmarkSyncNetwork, load_sync_network

__all__ = ["LandmarkSyncNetwork", "SyncConfig", "load_sync_network"]

"""Networks that metrics look through: public architectures, their files, and small stand-ins."""

from viseme_eval.networks.face_network import FaceNetwork
from viseme_eval.networks.registry import (
    WeightsAbsent,
    find_weights,
    load_network,
    weight_file,
    weights_table,
)
from viseme_eval.networks.weights import WEIGHTS, WeightFile

__all__ = [
    "WEIGHTS",
    "FaceNetwork",
    "WeightFile",
    "WeightsAbsent",
    "find_weights",
    "load_network",
    "weight_file",
    "weights_table",
]

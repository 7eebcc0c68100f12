"""Every network that a metric may use: where its file comes from, whether it is here, loading it.

    network = load_network("arcface_r50")           # found in a folder of $VISEME_WEIGHTS
    embedding = network(frames, landmarks)

Nothing is downloaded and no number comes from random weights: an absent file is `WeightsAbsent`.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from viseme_eval.networks.builders import BUILDERS, Builder
from viseme_eval.networks.face_network import FaceNetwork
from viseme_eval.networks.loading import fingerprint
from viseme_eval.networks.weights import WEIGHTS, WeightFile

ENVIRONMENT = "VISEME_WEIGHTS"
"""Variable that names folders with weight files, several as PATH names them."""


class WeightsAbsent(ValueError):  # noqa: N818 - it is a state of things, not a mistake
    """A network's file is not here; the message says which and where to put it."""


@dataclass(frozen=True, kw_only=True)
class WeightRow:
    """A network in the table of `viseme-eval weights`."""

    weights: WeightFile
    """What is known of its file."""
    path: Path | None
    """Where it is; None if it is absent."""
    loads: bool | None
    """Whether it loads; None if it was not tried."""
    message: str
    """Why not, or what to do; empty if all is well."""
    fingerprint: str
    """Start of the file's sha256; empty if it is absent."""

    @property
    def present(self) -> bool:
        """Whether the file is here."""
        return self.path is not None


def weight_file(name: str) -> WeightFile:
    """Return what is known of a network's file.

    Raises:
        ValueError: If there is no network of that name.
    """
    for weights in WEIGHTS:
        if weights.name == name:
            return weights
    known = ", ".join(weights.name for weights in WEIGHTS)
    raise ValueError(f"there is no network {name!r}; there are {known}")


def find_weights(name: str, path: str | Path | None = None) -> Path:
    """Return the file of a network.

    Args:
        name: Network.
        path: The file, or a folder to look in; by default the folders of `$VISEME_WEIGHTS`.

    Raises:
        WeightsAbsent: If it is not there.
        ValueError: If there is no network of that name.
    """
    weights = weight_file(name)
    builder = BUILDERS[name]
    if builder.locate is not None and path is None:
        return _located(builder)
    if path is not None and Path(path).is_file():
        return Path(path)
    for folder in _folders(path):
        for file in weights.files:
            if (folder / file).is_file():
                return folder / file
    asked = Path(weights.files[0])
    raise WeightsAbsent(f"skipped: weights absent, put {asked.name} at {_place(asked, path)}")


def load_network(
    name: str, path: str | Path | None = None, device: torch.device | str = "cpu"
) -> FaceNetwork:
    """Return a network behind this house's conventions, frozen, in evaluation mode.

    Args:
        name: Network, one of `WEIGHTS`.
        path: Its file, or a folder to look in; by default the folders of `$VISEME_WEIGHTS`.
        device: Where it shall run.

    Raises:
        WeightsAbsent: If its file is not there.
        ImportError: If it is a stand-in whose package is not installed.
        ValueError: If there is no such network, or the file is damaged or another's.
    """
    file = find_weights(name, path)
    network = BUILDERS[name].build(file)
    network.name, network.fingerprint = name, fingerprint(file)
    return network.to(device).eval()


def weights_table(
    names: Iterable[str] | None = None, *, path: str | Path | None = None, check: bool = True
) -> list[WeightRow]:
    """Return a row for every network.

    Args:
        names: Networks; by default all.
        path: Folder to look in; by default the folders of `$VISEME_WEIGHTS`.
        check: Whether to load those that are here, which takes as long as reading their files.
    """
    chosen = WEIGHTS if names is None else [weight_file(name) for name in names]
    return [_row(weights, path, check) for weights in chosen]


def _row(weights: WeightFile, path: str | Path | None, check: bool) -> WeightRow:
    # A folder holds public files only; the stand-ins come with their packages.
    place = None if weights.is_standin else path
    try:
        file = find_weights(weights.name, place)
    except (WeightsAbsent, ImportError) as error:
        return WeightRow(weights=weights, path=None, loads=None, message=str(error), fingerprint="")
    loads, message = None, ""
    if check:
        try:
            load_network(weights.name, file)
            loads = True
        except (ValueError, ImportError) as error:
            loads, message = False, str(error)
    return WeightRow(
        weights=weights, path=file, loads=loads, message=message, fingerprint=fingerprint(file)
    )


def _located(builder: Builder) -> Path:
    assert builder.locate is not None
    file = builder.locate()
    if not file.is_file():
        raise WeightsAbsent(
            f"skipped: weights absent, {file.name} should have come with its package; install "
            f"the package again"
        )
    return file


def _folders(path: str | Path | None) -> list[Path]:
    if path is not None:
        return [Path(path)]
    return [Path(folder) for folder in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if folder]


def _place(file: Path, path: str | Path | None) -> str:
    folders = _folders(path)
    if not folders:
        return f"${ENVIRONMENT}/{file} and set ${ENVIRONMENT} to its folder"
    # A path that ends like a weight file was meant as one.
    is_file = folders[0].suffix and not folders[0].is_dir()
    return str(folders[0] if is_file else folders[0] / file)

"""What must agree before a run goes on from a checkpoint or starts from old weights."""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from jsonargparse import Namespace

from viseme_core.audio import same_features
from viseme_core.checkpoint import StageHeader, load_stage
from viseme_core.train.module import SEED_KEY

logger = logging.getLogger(__name__)

_CHECKED_FIELDS = ("system", "face_model", "audio", "layout")


def check_resumed(config: Namespace, stage: str) -> StageHeader:
    """Return the checkpoint's header; say once, by name, which settings it overrules.

    Args:
        config: Parsed config of the command, with `ckpt_path`.
        stage: Stage that the command trains.

    Raises:
        ValueError: If the checkpoint is of another stage or system.
    """
    path = config.ckpt_path
    header = load_stage(path, stage=stage).header
    asked = config.get("model.config.system")
    if asked is not None and asked != header.system:
        raise ValueError(
            f"{path} holds system {header.system!r}, this command asks for {asked!r}; give "
            f"--model.config.system {header.system}, or a checkpoint of {asked!r}"
        )
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    stored = dict(_leaves("model", content.get("hyper_parameters", {})))
    now = dict(_leaves("model", config.model.as_dict()))
    stored["seed_everything"] = content.get(SEED_KEY)
    now["seed_everything"] = config.seed_everything
    beaten = [key for key, value in stored.items() if key in now and now[key] != value]
    if beaten:
        settings = ", ".join(f"{key} = {stored[key]} (not {now[key]})" for key in beaten)
        logger.warning("what %s stores beats this command and its defaults: %s", path, settings)
    return header


def check_fits(found: StageHeader, own: StageHeader, source: str) -> None:
    """Refuse weights that were made for another system, face model, audio encoder or layout.

    Args:
        found: Header of the weights.
        own: Header of the module that is to take them.
        source: File of the weights, which errors start with.
    """
    for field in _CHECKED_FIELDS:
        theirs, ours = getattr(found, field), getattr(own, field)
        # What one side leaves open, it cannot contradict.
        if not theirs or not ours:
            continue
        if not (same_features(theirs, ours) if field == "audio" else theirs == ours):
            raise ValueError(
                f"{source} was made for {field} {theirs!r}, this run is set up for {ours!r}; "
                f"give a file of that {field}, or set the run up as it was"
            )


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(f"{key}.{name}", item)
    else:
        yield key, list(value) if isinstance(value, tuple) else value

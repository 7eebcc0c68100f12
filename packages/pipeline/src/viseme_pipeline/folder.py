"""A folder that holds every stage of a chain: their safetensors, and `viseme.json` naming them."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch

from viseme_core.checkpoint import StageHeader, load_stage, read_header, save_stage
from viseme_motion.presets import PresetName
from viseme_pipeline.folder_autoencoder import take_autoencoder

INDEX = "viseme.json"
FORMAT = "viseme-chain"
VERSION = 1
MESH = "mesh"
HEARING = "hearing"
_SPEECH_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
Role = Literal["motion", "pose", "landmarks", "renderer"]
# Stage that a file of each role must hold.
_STAGES: dict[Role, str] = {
    "motion": "motion",
    "pose": "motion",
    "landmarks": "landmarks",
    "renderer": "render",
}


@dataclass(frozen=True, kw_only=True)
class StageFiles:
    """Where the stages of a chain come from."""

    motion: Path | None = None
    """Stage file, checkpoint or folder of the motion."""
    landmarks: Path | None = None
    """Landmark completion, in place of motion; what it drives is `renderer`."""
    pose: Path | None = None
    """FD2Talk, for pose beside a system that makes none."""
    renderer: Path | None = None
    """Stage of a renderer with weights; None is the mesh renderer."""
    hearing: Path | None = None
    """Folder of the speech model that the motion hears with, if not where it lay in training."""
    autoencoder: Path | None = None
    """Autoencoder of a renderer that landmarks drive, if not where it lay in training."""
    blink_rate: float | None = None
    """Blinks per second of films from a portrait, for motion that makes none itself."""

    def __post_init__(self) -> None:
        if (self.motion is None) == (self.landmarks is None):
            raise ValueError("a chain has a stage of motion or one of landmarks, one of them")
        if self.landmarks is not None and self.renderer is None:
            raise ValueError("landmarks drive a TalkFormer stage: name one by --renderer")

    @property
    def system(self) -> str:
        """The system that makes motion, or what landmarks drive, as its file says."""
        role = "renderer" if self.motion is None else "motion"
        return read_header(dict(self.items())[role], stage=_STAGES[role]).system

    def items(self) -> list[tuple[Role, Path]]:
        """Return the roles that have a file."""
        found: dict[Role, Path | None] = {role: getattr(self, role) for role in _STAGES}
        return [(role, path) for role, path in found.items() if path is not None]


def save_folder(
    folder: Path,
    files: StageFiles,
    *,
    preset: PresetName,
    half: bool = False,
    card: Path | None = None,
) -> None:
    """Write every stage and the index.

    Args:
        folder: Where to; it is made.
        files: The stages.
        preset: How it is sampled unless asked otherwise.
        half: Whether weights are kept in 16 bits, at half the size.
        card: What says where the weights come from; copied as `card.md`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stages: dict[str, str] = {"renderer": MESH}
    hearing = _speech_model(files)
    for role, path in files.items():
        found = load_stage(path, stage=_STAGES[role])
        header = found.header if hearing is None else _heard_here(found.header)
        if files.landmarks is not None and role == "renderer":
            header = take_autoencoder(found, files.autoencoder, folder)
        stages[role] = f"{role}.safetensors"
        save_stage(
            folder / stages[role], found.tensors, header, dtype=torch.float16 if half else None
        )
    index: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "preset": preset,
        "stages": stages,
    }
    if hearing is not None:
        index["hearing"] = HEARING
        (folder / HEARING).mkdir(exist_ok=True)
        for name in _SPEECH_FILES:
            if (hearing / name).is_file() and hearing.resolve() != (folder / HEARING).resolve():
                shutil.copyfile(hearing / name, folder / HEARING / name)
    if files.blink_rate is not None:
        index["blink_rate"] = files.blink_rate
    if card is not None and card.resolve() != (folder / "card.md").resolve():
        shutil.copyfile(card, folder / "card.md")
    # Last: a folder with an index is whole.
    (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def read_folder(folder: Path) -> tuple[StageFiles, PresetName]:
    """Return the stages of a folder and its preset.

    Raises:
        ValueError: If it is no such folder, or lacks a stage that it names.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {str(folder)!r}; give one that save_pretrained wrote")
    index = _index(folder)
    stages = dict(index["stages"])
    if stages.get("renderer") == MESH:
        del stages["renderer"]
    files = {role: folder / str(name) for role, name in stages.items()}
    unknown = sorted(set(files) - set(_STAGES))
    if unknown or ("motion" in files) == ("landmarks" in files):
        raise ValueError(
            f"{folder / INDEX} must name a motion stage, or one of landmarks, and may name "
            f"{sorted(_STAGES)}, got {sorted(stages)}; save the chain again with this viseme"
        )
    for path in files.values():
        if not path.is_file():
            raise ValueError(f"{folder / INDEX} names {path.name!r}, which is not there; copy it")
    hearing = None
    if index.get("hearing") is not None:
        hearing = folder / str(index["hearing"])
        if not (hearing / "model.safetensors").is_file():
            raise ValueError(
                f"{folder / INDEX} names the speech model {hearing.name!r}, which is not there; "
                f"copy it"
            )
    found = StageFiles(**cast(Any, files), hearing=hearing, blink_rate=index.get("blink_rate"))
    return found, index["preset"]


def _speech_model(files: StageFiles) -> Path | None:
    """Return the folder of the speech model that the motion hears with, if it lies in one.

    Raises:
        ValueError: If it lies in one that holds its weights in another form.
    """
    found = files.hearing
    if files.motion is None:
        return None
    if found is None:
        path = (read_header(files.motion, stage="motion").audio or {}).get("path")
        found = None if not path else Path(str(path)).expanduser()
        if found is None or not found.is_dir():
            # Mel spectra need no model, and a hub id is no folder: whoever uses it fetches it.
            return None
    if not (found / "model.safetensors").is_file():
        raise ValueError(
            f"the speech model in {str(found)!r} has no model.safetensors, so the chain could not "
            f"take it along; save it by transformers' save_pretrained"
        )
    return found


def _heard_here(header: StageHeader) -> StageHeader:
    """Return a stage's header with the speech model in the chain's folder."""

    def moved(plain: Any) -> Any:
        if not isinstance(plain, dict):
            return plain
        found = {key: moved(value) for key, value in plain.items()}
        return {**found, "path": HEARING} if "fingerprint" in found and "path" in found else found

    return replace(header, audio=moved(header.audio), config=moved(header.config))


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(
            f"{str(folder)!r} holds no {INDEX}; give a folder that save_pretrained wrote"
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}); copy the folder again") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ValueError(f"{path} is no index of a chain: its format must be {FORMAT!r}")
    if index.get("version") != VERSION:
        raise ValueError(
            f"{path} has version {index.get('version')!r}, this viseme reads {VERSION}; upgrade it"
        )
    return index

"""A folder of prepared clips with small pictures, made without drawing anyone."""

import json
from pathlib import Path

import numpy as np
import torch

from viseme_core.audio import LogMelConfig
from viseme_core.config import to_plain
from viseme_core.types import CropBox, Motion
from viseme_data.clips import FORMAT_VERSION, PreparedClip, write_clip
from viseme_data.manifest import ClipRow, write_manifest
from viseme_data.write import VideoWriter
from viseme_face import MorphableModel, pose_vertices, project

SIZE = 64
LENGTHS = {"train": 40, "val": 20, "test": 20}


def make_folder(folder: Path) -> Path:
    """Write clips of flat faces, each picture a function of its motion; return the folder."""
    model = MorphableModel.builtin()
    (folder / "clips").mkdir(parents=True)
    rows = []
    for number, (split, frames) in enumerate(LENGTHS.items()):
        generator = torch.Generator().manual_seed(number)
        steps = torch.randn(frames, 70, generator=generator).cumsum(0) * 0.05
        expression = steps[:, :64] * model.expression_std_E
        pose = 0.05 * steps[:, 64:] + torch.tensor([0, 0, 0, 0, 0, -4.2])
        identity = torch.zeros(80)
        points = pose_vertices(model.landmarks(identity, expression, "mp478"), pose)
        landmarks = torch.cat([project(points), torch.zeros(frames, 478, 1)], -1)
        name = f"{number:016x}"
        with VideoWriter(folder / "clips" / f"{name}.mp4", (SIZE, SIZE), key_every=10) as writer:
            for points_K2 in landmarks[..., :2]:
                writer.write(_picture(points_K2, generator_seed=number))
        clip = PreparedClip(
            motion=Motion(
                expression=expression, pose=pose, identity=identity, face_model=model.name
            ),
            landmarks_TK3=landmarks,
            seen_T=torch.ones(frames, dtype=torch.bool),
            audio_S=torch.zeros(frames * 640),
            features={"logmel": torch.zeros(frames, 320)},
            crop=CropBox(SIZE / 2, SIZE / 2, SIZE),
            size=SIZE,
            clip_id=name,
            speaker=f"person{number}",
            has_audio=True,
        )
        write_clip(folder / "clips" / f"{name}.safetensors", clip)
        rows.append(_row(clip, split))
    facts = {"format": FORMAT_VERSION, "face_model": model.name}
    facts["audio"] = {"logmel": to_plain(LogMelConfig())}
    (folder / "dataset.json").write_text(json.dumps(facts))
    write_manifest(folder / "manifest.parquet", rows)
    return folder


def _picture(points_K2: torch.Tensor, *, generator_seed: int) -> np.ndarray:
    """A grey disc where the face is, and a dark one where the mouth is."""
    at = (torch.arange(SIZE) + 0.5) / SIZE
    x, y = at.expand(SIZE, -1), at[:, None].expand(-1, SIZE)
    shade = torch.full((SIZE, SIZE), 60.0 + 20 * generator_seed)
    for ids, value in ((list(range(468)), 160.0), ([13, 14, 78, 308], 30.0)):
        middle, spread = points_K2[ids].mean(0), points_K2[ids].std(0) * 1.5 + 0.01
        inside = ((x - middle[0]) / spread[0]) ** 2 + ((y - middle[1]) / spread[1]) ** 2 < 1
        shade[inside] = value
    return shade.byte()[..., None].expand(-1, -1, 3).contiguous().numpy()


def _row(clip: PreparedClip, split: str) -> ClipRow:
    values = {
        "clip_id": clip.clip_id, "source": clip.speaker, "source_hash": clip.clip_id,
        "status": "kept", "speaker": clip.speaker, "split": split, "language": "en",
        "emotion": "neutral", "emotion_level": 1, "num_frames": clip.num_frames, "start_frame": 0,
        "width": SIZE, "height": SIZE, "crop_cx": SIZE / 2, "crop_cy": SIZE / 2,
        "crop_side": float(SIZE), "crop_angle": 0.0, "size": SIZE, "has_audio": True,
        "face_px": SIZE / 2, "jitter": 0.0, "residual": 0.0, "interpolated": 0.0, "outside": 0.0,
        "turn_deg": 0.0, "voiced": 0.0, "face_model": clip.motion.face_model,
    }  # fmt: skip
    return ClipRow(**values)  # type: ignore[arg-type]

"""One planned clip, made and written."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from viseme_core.audio import AudioEncoder, build_encoder
from viseme_core.draws import Draws
from viseme_core.types import AudioClip, CropBox
from viseme_data.clips import PreparedClip, clip_id, write_clip
from viseme_data.manifest import ClipRow
from viseme_data.synthetic.actor import Performance, perform
from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.synthetic.plan import ClipPlan, split_of_speaker
from viseme_data.synthetic.recording import Recording, record
from viseme_data.synthetic.rig import FaceRig
from viseme_data.synthetic.speaker import identity_of
from viseme_data.synthetic.speech import synthesizer
from viseme_data.synthetic.visemes import VisemeTable
from viseme_face import MorphableModel

_LOUD = 0.15
_MAX_SEED = 2**31


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What every clip of a data set is made with."""

    config: SynthesizeConfig

    @cached_property
    def model(self) -> MorphableModel:
        """Face model of the coefficients.

        Raises:
            ValueError: If the file is none, or its model lacks MediaPipe's landmarks.
        """
        if self.config.face_model == "builtin":
            return MorphableModel.builtin()
        model = MorphableModel.from_file(self.config.face_model)
        model.landmark_ids("mp478")
        return model

    @cached_property
    def table(self) -> VisemeTable:
        """Mouth shapes."""
        name = self.config.visemes
        return VisemeTable.load() if name == "builtin" else VisemeTable.load(name)

    @cached_property
    def settings_hash(self) -> str:
        """Of everything that a clip depends on besides its plan."""
        return self.config.settings_hash(self.model.name, self.table.digest)

    @cached_property
    def encoders(self) -> dict[str, AudioEncoder]:
        """Encoders of the sound's features, by name."""
        return {name: build_encoder(audio) for name, audio in self.config.encoders.items()}

    def clip_id(self, plan: ClipPlan) -> str:
        """Return the name of a clip's files."""
        return clip_id(source_hash(plan), self.settings_hash, 0, 0)

    def make(self, plan: ClipPlan, folder: Path) -> ClipRow:
        """Write the files of a clip into a folder and return its row.

        Raises:
            OSError: If they cannot be written.
        """
        with synthesizer() as engine:
            recording = record(engine, plan)
        rig = FaceRig(self.model, identity_of(plan.speaker, self.model))
        performance = perform(plan, recording, self.model, rig, self.table)
        name = self.clip_id(plan)
        extras = dict(performance.truth)
        if self.config.frames != "none":
            extras["mask_Thw"] = self._film(plan, recording, performance, folder / f"{name}.mp4")
        size = self.config.size
        crop = CropBox(cx=size / 2, cy=size / 2, side=size)
        clip = PreparedClip(
            motion=performance.motion,
            landmarks_TK3=performance.landmarks_TK3,
            seen_T=torch.ones(plan.num_frames, dtype=torch.bool),
            audio_S=recording.audio_S,
            features={
                name: encoder.encode(AudioClip(recording.audio_S))
                for name, encoder in self.encoders.items()
            },
            extras=extras,
            crop=crop,
            size=size,
            clip_id=name,
            speaker=plan.speaker.name,
            has_audio=True,
        )
        write_clip(folder / f"{name}.safetensors", clip)
        return self._row(plan, performance, clip)

    def _film(
        self, plan: ClipPlan, recording: Recording, performance: Performance, path: Path
    ) -> torch.Tensor:
        # Drawing is a matter of its own, and not needed without pictures.
        from viseme_data.synthetic.film import film
        from viseme_data.synthetic.look import FaceLook

        speaker = plan.speaker
        draws = Draws(speaker.seed, 0, [speaker.number])
        seed = int(draws.integers("speaker/look", _MAX_SEED)[0])
        return film(
            path,
            self.model,
            performance.motion,
            FaceLook.from_seed(seed, sex=speaker.sex),
            recording.audio_S,
            gaze_T2=performance.truth["gaze_T2"],
            tongue_T=performance.truth["tongue_T"],
            size=self.config.size,
        )

    def _row(self, plan: ClipPlan, performance: Performance, clip: PreparedClip) -> ClipRow:
        config, points_TK2 = self.config, performance.landmarks_TK3[..., :2]
        box_T2 = points_TK2.amax(1) - points_TK2.amin(1)
        turn_T = performance.motion.pose[:, :2].abs().amax(1)
        return ClipRow(
            clip_id=clip.clip_id,
            source=plan.source,
            source_hash=source_hash(plan),
            status="kept",
            speaker=plan.speaker.name,
            split=split_of_speaker(plan.speaker, config.split_seed, config.split_shares),
            language=plan.speaker.language,
            emotion=plan.emotion,
            emotion_level=plan.level,
            num_frames=plan.num_frames,
            width=clip.size,
            height=clip.size,
            crop_cx=clip.crop.cx,
            crop_cy=clip.crop.cy,
            crop_side=clip.crop.side,
            crop_angle=0.0,
            size=clip.size,
            has_audio=True,
            face_px=float(box_T2.amax(1).median()) * clip.size,
            jitter=0.0,
            residual=0.0,
            interpolated=0.0,
            outside=float(((points_TK2 < 0) | (points_TK2 > 1)).any(-1).float().mean()),
            turn_deg=float(turn_T.rad2deg().quantile(0.9)),
            voiced=float((performance.truth["loudness_T"] > _LOUD).float().mean()),
            face_model=self.model.name,
        )


def source_hash(plan: ClipPlan) -> str:
    """Return a hash of what a clip is made from: who speaks, in which language, and which clip."""
    key = f"synthetic/{plan.source}/{plan.speaker.language}"
    return hashlib.sha256(key.encode()).hexdigest()

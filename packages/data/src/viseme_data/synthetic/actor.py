"""A face that speaks a recording: mouth, brows, lids, eyes and head, as motion and ground truth."""

from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.draws import Draws
from viseme_core.types import FPS, Motion
from viseme_data.synthetic.blinks import close_lids, move_gaze, plan_blinks
from viseme_data.synthetic.coarticulation import MouthMotion, move_mouth
from viseme_data.synthetic.emotion import Emotion, at_level
from viseme_data.synthetic.noise import smooth_noise, smoothed
from viseme_data.synthetic.phonemes import PAUSE, frame_numbers, name_of, number_of
from viseme_data.synthetic.plan import ClipPlan
from viseme_data.synthetic.prosody import Prosody, carried, measure, move_head, speech_size
from viseme_data.synthetic.recording import Recording
from viseme_data.synthetic.rig import CONTROLS, MOUTH_CONTROLS, FaceRig
from viseme_data.synthetic.speaker import Articulation
from viseme_data.synthetic.visemes import CHANNELS, VisemeTable
from viseme_face import MorphableModel, pose_vertices, project
from viseme_face.pose import CAMERA_DISTANCE, FOCAL, euler_to_matrix, to_landmark_points

# Side of a crop over the larger side of the landmarks' box: `viseme_data.crop.CROP_SCALE`, which
# needs OpenCV.
_CROP_SCALE = 1.8
_CENTERING_STEPS = 4
# So much earlier than `move_mouth` says do real mouths move, by the measure that preparation takes
# the offset of sound and picture with: without it, synthetic mouths come a frame late.
_LEAD_SEC = 0.04
_TONGUE = CHANNELS.index("tongue")
# An emotion's hold on the face: never quite still.
_HOLD, _HOLD_SPREAD = 0.85, 0.12
_FULL_TURN_MM = 10.0


class Performance(NamedTuple):
    """What a clip's face does, and what made it do so."""

    motion: Motion
    landmarks_TK3: Tensor
    """`mp478` in [0, 1] of the crop, with relative depth."""
    truth: dict[str, Tensor]
    """Ground truth by name, for `PreparedClip.extras`:

    - `text_U` sentences in UTF-8, a line each; `phoneme_P` numbers of the sounds (`phonemes`),
      `phoneme_sec_P2` when each starts and ends, `phoneme_T` the sound at each frame;
    - `voice_V4` words per minute, pitch, range and volume in espeak-ng's units;
    - `mouth_T7` the channels of `visemes`, `contact_T` how far lips are closed by force,
      `tongue_T` height of the tip of the tongue;
    - `gaze_T2` where eyes look in the head, rx and ry in radians; `lids_T2` how far each lid is
      closed, right and left;
    - `pitch_T` in octaves above the clip's median, `loudness_T` from 0 to 1."""


def perform(
    plan: ClipPlan,
    recording: Recording,
    model: MorphableModel,
    rig: FaceRig,
    table: VisemeTable,
) -> Performance:
    """Return how a speaker's face moves while the recording sounds.

    Frame t shows the face at the middle of the samples that sound with it.

    Args:
        plan: The clip.
        recording: Its sound.
        model: Face model of the motion.
        rig: The speaker's face on this model.
        table: Mouth shapes.
    """
    draws, speaker = plan.draws, plan.speaker
    emotion = at_level(plan.emotion, plan.level)
    times_T = (torch.arange(plan.num_frames, dtype=torch.float64) + 0.5) / FPS
    prosody = measure(recording.audio_S)
    numbers_T = frame_numbers(recording.phones, times_T)

    own = speaker.articulation
    wander_T = 1 + own.drift * smooth_noise(draws, "mouth/drift", plan.num_frames, FPS, 1.5)
    size_T = speech_size(prosody) * emotion.mouth * wander_T.clamp(0.7, 1.3)
    mouth = move_mouth(recording.phones, table, times_T + _LEAD_SEC, size_T)
    mouth_TC = mouth.channels_TC * torch.tensor(own.scale, dtype=torch.float64)

    turn_T3 = move_head(draws, prosody, recording.phones, speaker.head, emotion.head)
    turn_T3[:, 0] += emotion.bow_rad
    is_pause_T = torch.tensor([name_of(int(number)) == PAUSE for number in numbers_T])
    blinks = plan_blinks(draws, speaker.eyes, is_pause_T)
    closed_T = close_lids(blinks, plan.num_frames)
    gaze_T2 = move_gaze(draws, speaker.eyes, plan.num_frames, turn_T3)
    # Where lids are shut nobody sees where an eye looks, and a look down would lower them further.
    gaze_T2[:, 0] *= 1 - closed_T

    controls = _Controls(plan.num_frames)
    # The tongue, last, has no control.
    controls.set(dict(zip(MOUTH_CONTROLS, mouth_TC.T, strict=False)))
    _feel(controls, draws, emotion, own, mouth, closed_T)
    controls.add("brows_up", speaker.brows_with_pitch * _accents(prosody))
    controls.set({"look_down": gaze_T2[:, 0], "look_right": gaze_T2[:, 1]})

    expression_TE = rig.expression(controls.values_TM)
    pose_T6 = carried(turn_T3, euler_to_matrix(turn_T3)).float()
    vertices_TK3 = model.landmarks(rig.identity, expression_TE, "mp478")
    pose_T6 = centered(pose_T6, vertices_TK3)
    points_TK3 = pose_vertices(vertices_TK3, pose_T6)
    motion = Motion(
        expression=expression_TE, pose=pose_T6, identity=rig.identity, face_model=model.name
    )
    truth = {
        **_said(recording, numbers_T),
        "mouth_T7": mouth_TC.float(),
        "contact_T": mouth.contact_T.float(),
        "tongue_T": mouth_TC[:, _TONGUE].clamp(0, 1).float(),
        "gaze_T2": gaze_T2.float(),
        "lids_T2": controls.get(("lid_right", "lid_left")).float(),
        "pitch_T": prosody.pitch_T.float(),
        "loudness_T": prosody.loudness_T.float(),
    }
    return Performance(motion, to_landmark_points(points_TK3, pose_T6[:, 5]), truth)


def centered(pose_T6: Tensor, vertices_TK3: Tensor) -> Tensor:
    """Return poses shifted so that the face lies in the crop as preparation would have cut it.

    The box around all landmarks of the clip is in the middle, and the crop 1.8 times its side.

    Args:
        pose_T6: Poses.
        vertices_TK3: Landmarks in model space.
    """
    pose_T6 = pose_T6.clone()
    for _ in range(_CENTERING_STEPS):
        points_X2 = project(pose_vertices(vertices_TK3, pose_T6)).flatten(0, 1)
        low_2, high_2 = points_X2.amin(0), points_X2.amax(0)
        distance = CAMERA_DISTANCE - pose_T6[:, 5].mean()
        off_2 = ((low_2 + high_2) / 2 - 0.5) * distance / FOCAL
        pose_T6[:, 3] -= off_2[0]
        pose_T6[:, 4] += off_2[1]
        pose_T6[:, 5] += distance * (1 - _CROP_SCALE * (high_2 - low_2).max())
    return pose_T6


def _said(recording: Recording, numbers_T: Tensor) -> dict[str, Tensor]:
    """Return what is said, by whom and when, as tensors."""
    phones, voice = recording.phones, recording.voice
    settings = (voice.words_per_minute, voice.pitch, voice.pitch_range, voice.volume)
    return {
        "text_U": torch.tensor(list("\n".join(recording.texts).encode()), dtype=torch.uint8),
        "phoneme_T": numbers_T,
        "phoneme_P": torch.tensor([number_of(phone) for phone in phones], dtype=torch.int16),
        "phoneme_sec_P2": torch.tensor([(phone.start_sec, phone.end_sec) for phone in phones]),
        "voice_V4": torch.tensor(settings, dtype=torch.int16),
    }


class _Controls:
    """Values of the rig's controls over time."""

    def __init__(self, num_frames: int) -> None:
        self.values_TM = torch.zeros(num_frames, len(CONTROLS), dtype=torch.float64)

    def set(self, values: dict[str, Tensor]) -> None:
        for name, values_T in values.items():
            self.values_TM[:, CONTROLS.index(name)] = values_T

    def add(self, name: str, values_T: Tensor) -> None:
        self.values_TM[:, CONTROLS.index(name)] += values_T

    def get(self, names: tuple[str, ...]) -> Tensor:
        return self.values_TM[:, [CONTROLS.index(name) for name in names]]


def _feel(
    controls: _Controls,
    draws: Draws,
    emotion: Emotion,
    own: Articulation,
    mouth: MouthMotion,
    closed_T: Tensor,
) -> None:
    """Lay an emotion over what the face says, lids and blinks together."""
    num = len(closed_T)
    hold_T = (_HOLD + _HOLD_SPREAD * smooth_noise(draws, "emotion/hold", num, FPS, 3.0)).clamp(0, 1)
    lids_T = torch.zeros_like(closed_T)
    for name, value in emotion.face.items():
        if name == "lids":
            lids_T = value * hold_T
        else:
            controls.add(name, value * hold_T)
    # A blink goes all the way from wherever the lid rests.
    lids_T = lids_T + (1 - lids_T) * closed_T
    controls.set({"lid_right": lids_T, "lid_left": lids_T})
    opening_T = mouth.channels_TC[:, CHANNELS.index("opening")]
    controls.add("mouth_left", own.mouth_left * opening_T / _FULL_TURN_MM)


def _accents(prosody: Prosody) -> Tensor:
    """Return how far brows rise with pitch, per octave."""
    return smoothed(prosody.pitch_T, 0.1 * FPS).clamp(min=0)

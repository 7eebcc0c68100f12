import torch

from viseme_core.types import Motion
from viseme_data.synthetic.alignment import Stretch
from viseme_data.synthetic.phonemes import PAUSE, Phone
from viseme_data.synthetic.spoken_clips import MEASURED, measure_mouth, spoken_clip
from viseme_data.synthetic.visemes import CHANNELS
from viseme_face import MorphableModel

JAW, OPENING, WIDTH = (CHANNELS.index(name) for name in MEASURED)


def test_nothing_is_known_outside_of_stretches() -> None:
    stretch = [Phone("A", 1.0, 1.5, 1.5), Phone("m", 1.5, 2.0, 2.0)]
    channels = torch.zeros(75, len(CHANNELS))
    clip = spoken_clip([Stretch(1.0, 2.0, "am")], [stretch], channels, "someone")
    assert [phone.name for phone in clip.phones] == [PAUSE, "A", "m"]
    known = clip.channels_TC.isfinite().all(-1)
    assert known.nonzero()[:, 0].tolist() == list(range(25, 50))


def test_a_mouth_is_measured_in_millimetres_of_the_mean_face() -> None:
    model = MorphableModel.builtin()
    generator = torch.Generator().manual_seed(3)
    expression = torch.randn(4, len(model.expression_std_E), generator=generator)
    expression = expression * model.expression_std_E
    identity = torch.randn(len(model.identity_std_I), generator=generator) * model.identity_std_I
    motion = Motion(
        expression=expression,
        pose=torch.zeros(4, 6),
        identity=identity,
        face_model=model.name,
    )
    measured = measure_mouth(model, motion)
    points = model.landmarks(identity, expression, "mp478").double()

    def between(points: torch.Tensor, one: int, other: int) -> torch.Tensor:
        return (points[..., one, :] - points[..., other, :]).norm(dim=-1)

    still = model.landmarks(identity, expression[0] * 0, "mp478").double()
    mean = model.landmarks(identity * 0, expression[0] * 0, "mp478").double()
    # The outer corners of the eyes tell how large a face is.
    to_mm = 100 * between(mean, 33, 263) / between(still, 33, 263)
    assert abs(to_mm - 100) > 1
    torch.testing.assert_close(measured[:, OPENING], between(points, 13, 14) * to_mm)
    width = between(points, 78, 308) * to_mm
    torch.testing.assert_close(measured[:, WIDTH], width - width.median())
    assert (measured[:, JAW].diff() * points[:, 152, 1].diff() < 0).all()
    unseen = [k for k, name in enumerate(CHANNELS) if name not in MEASURED]
    assert measured[:, unseen].isnan().all()

import json
from functools import cache

import numpy as np
import pytest
import torch

from tests.motion.small import FACE
from viseme_core.types import Motion
from viseme_face import close_eyes, close_lips
from viseme_motion.disenttalk.subspaces import BUILTIN_FILE, Subspaces, choose


@cache
def clips() -> tuple[Motion, ...]:
    torch.manual_seed(3)
    return tuple(
        Motion(
            expression=torch.randn(20, 64) * FACE.expression_std_E,
            pose=torch.zeros(20, 6),
            identity=torch.randn(80) * FACE.identity_std_I,
            face_model=FACE.name,
            fps=25.0,
        )
        for _ in range(2)
    )


def test_equation_1_takes_the_directions_that_closing_a_region_changes_most_for_their_spread():
    ids = FACE.landmark_ids("mp478")
    basis = FACE.expression_basis_EV3[:, ids].flatten(1).double().numpy()
    std = FACE.expression_std_E.double().numpy()
    expression = np.concatenate([clip.expression.numpy() for clip in clips()]).astype(float)
    spread = expression.std(0, ddof=1)
    ranks = {}
    for region, edit in (("lip", close_lips), ("eye", close_eyes)):
        largest = []
        for clip in clips():
            points = FACE(clip.identity, clip.expression)[:, ids]
            change = (edit(points) - points).flatten(1).double().numpy()
            # Least squares with a pull to zero of 1e-4 per squared deviation, as extra rows.
            rows = np.concatenate([(basis * std[:, None]).T, 1e-2 * np.eye(64)])
            target = np.concatenate([change, np.zeros((20, 64))], 1)
            step = np.linalg.lstsq(rows, target.T, rcond=None)[0].T * std
            largest.append(np.abs(step).max(0))
        ranks[region] = np.mean(largest, 0) / spread
    found, sensitivity = choose(clips(), FACE)
    for region, expected in ranks.items():
        np.testing.assert_allclose(sensitivity[region].numpy(), expected, rtol=0.02, atol=1e-4)
    lip = list(np.argsort(-ranks["lip"])[:13])
    left = [i for i in np.argsort(-ranks["eye"]) if i not in lip]
    assert set(found.lip) == set(lip)
    assert set(found.eye) == set(left[:8])
    assert found.face_model == FACE.name


def test_equation_2_leaves_the_rest_to_the_global_region_and_lips_choose_first():
    found, sensitivity = choose(clips(), FACE, num_lip=30, num_eye=4)
    every = [*found.lip, *found.eye, *found.rest]
    assert sorted(every) == list(range(64))
    assert (len(found.lip), len(found.eye), len(found.rest)) == (30, 4, 30)
    assert list(found.regions) == ["lip", "eye", "global"]
    for region, chosen in (("lip", found.lip), ("eye", found.eye)):
        values = sensitivity[region][list(chosen)]
        assert torch.equal(values, values.sort(descending=True).values)
    # An eye direction that lips want too is theirs.
    favourite = int(sensitivity["eye"].argmax())
    assert favourite in (*found.lip, found.eye[0])


def test_the_shipped_subspaces_are_the_papers_13_and_8_of_the_built_in_model():
    shipped = Subspaces.shipped(FACE.name)
    assert (len(shipped.lip), len(shipped.eye), len(shipped.rest)) == (13, 8, 43)


def test_moving_a_shipped_direction_moves_its_own_region_most():
    """Lip directions move lips more than eyes, and eye directions eyes more than lips."""
    shipped = Subspaces.shipped(FACE.name)
    basis_EK3 = FACE.expression_basis_EV3[:, FACE.landmark_ids("mp478")]
    reach_EK = basis_EK3.norm(dim=-1) * FACE.expression_std_E[:, None]
    lips, lids = [13, 14, 17, 0, 61, 291], [159, 145, 386, 374]
    share_E = reach_EK[:, lips].mean(1) / reach_EK[:, lids].mean(1)
    assert share_E[list(shipped.lip)].median() > 2 * share_E[list(shipped.eye)].median()


def test_subspaces_come_back_from_their_file(tmp_path):
    chosen = Subspaces((5, 2), (9,), "builtin@00000000")
    chosen.save(tmp_path / "chosen.json")
    assert Subspaces.load(tmp_path / "chosen.json") == chosen


def test_subspaces_of_another_face_model_and_broken_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'bfm09@11111111'; choose them with `viseme-motion"):
        Subspaces.shipped("bfm09@11111111")
    path = tmp_path / "broken.json"
    plain = json.loads(BUILTIN_FILE.read_text())
    for content in ("{", json.dumps({**plain, "lip": None}), json.dumps({"lip": [1]})):
        path.write_text(content)
        with pytest.raises(ValueError, match="cannot read the subspaces of"):
            Subspaces.load(path)
    with pytest.raises(ValueError, match="cannot read the subspaces of"):
        Subspaces.load(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("lip", "eye", "message"),
    [
        ((1, 2), (2, 3), "each once"),
        ((1, 64), (2,), "0 to 63"),
        ((), (2,), "at least one direction"),
        ((1,), (), "at least one direction"),
    ],
)
def test_directions_must_exist_once_and_both_regions_have_some(lip, eye, message):
    with pytest.raises(ValueError, match=message):
        Subspaces(lip, eye, FACE.name)


def test_nothing_is_chosen_from_nothing():
    with pytest.raises(ValueError, match="got no clip"):
        choose([], FACE)

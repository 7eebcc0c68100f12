import numpy as np
import pytest

from viseme_pipeline.marks.pattern import centres, waves
from viseme_pipeline.marks.views import VIEWS, View


def test_the_weights_of_all_views_sum_to_one() -> None:
    assert sum(view.weight for view in VIEWS) == pytest.approx(1, abs=1e-12)
    assert all(view.weight > 0 for view in VIEWS)


def test_a_part_sees_the_waves_where_it_lies() -> None:
    rows, columns = View(name="part", weight=1, top=0.5, left=0.0, size=0.5).waves
    fine = waves(np.linspace(0.5, 1, 129)[1::2])
    np.testing.assert_allclose(rows, fine, atol=1e-5)
    assert np.abs(columns - rows).max() > 0.1


def test_a_mirrored_view_runs_from_right_to_left() -> None:
    rows, columns = View(name="mirrored", weight=1, mirrored=True).waves
    np.testing.assert_allclose(rows, waves(centres()), atol=1e-6)
    np.testing.assert_allclose(columns, waves(centres())[::-1], atol=1e-5)

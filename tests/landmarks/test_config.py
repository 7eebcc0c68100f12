"""Settings that are refused, and every config file of the stage."""

from pathlib import Path
from typing import Any

import pytest

from viseme_core.config import from_plain, to_plain
from viseme_core.train.cli import offer
from viseme_face.layouts import JAW, LIP, UPPER_FACE
from viseme_landmarks.cli import LandmarksCLI
from viseme_landmarks.config import LandmarksConfig
from viseme_landmarks.datamodule import LandmarkDataModule
from viseme_landmarks.module import LandmarksModule

CONFIGS = Path(__file__).parents[2] / "packages" / "landmarks" / "configs"

# Lightning and jsonargparse warn of their own deprecations.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_references": 0}, "num_references must be at least 1, got 0"),
        ({"num_frames": 0}, "num_frames must be at least 1, got 0"),
        ({"dim": 30, "num_heads": 4}, "multiple of num_heads = 4, got 30"),
        ({"dim": 3, "num_heads": 3}, "dim must be even"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"num_frames": 3, "hop": 4}, "at most num_frames = 3, or frames would be left out; got 4"),
        ({"box_margin": -0.1}, "box_margin must not be negative"),
        ({"convention": "ip_lap"}, r"40 lip, 17 jaw and 74 pose points, got \(41, 16, 74\)"),
    ],
)
def test_settings_that_a_model_cannot_have_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LandmarksConfig(**settings)


def test_the_defaults_are_the_papers_numbers():
    config = LandmarksConfig()
    assert (config.num_lip, config.num_jaw, config.num_points) == (41, 16, 131)
    assert (config.num_references, config.num_frames) == (5, 5)
    assert (config.num_lip, config.num_jaw, config.num_pose) == tuple(
        map(len, (LIP, JAW, UPPER_FACE))
    )
    assert config.base == "none"


def test_a_config_comes_back_from_plain_values():
    config = LandmarksConfig(num_frames=1, base="references", dim=64)
    assert from_plain(LandmarksConfig, to_plain(config)) == config


class _Parse(LandmarksCLI):
    """Builds everything but the trainer, and runs nothing."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return one verb: the parsers of others would take as long again."""
        return offer("fit")

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Return None."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass

    def before_fit(self) -> None:
        pass


@pytest.mark.parametrize("name", ["tiny", "small", "paper"])
def test_every_config_file_is_understood_and_builds_a_model(name, tmp_path):
    given = ["fit", "--config", str(CONFIGS / f"{name}.yaml"), "--run_dir", str(tmp_path)]
    found = _Parse(LandmarksModule, LandmarkDataModule, args=given)
    assert found.model.config.num_frames == 5
    if name == "paper":
        assert found.model.config.base == "none"
        assert (found.model.optim.name, found.model.optim.lr) == ("adam", 4e-5)
        # Two processes share the paper's 64.
        assert found.datamodule.config.batch_size == 32

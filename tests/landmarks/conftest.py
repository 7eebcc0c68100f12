"""One thread for every test of the landmark stage, and synthetic folders to train on and test."""

from pathlib import Path

import pytest
import torch

from viseme_data.synthetic.config import SynthesizeConfig
from viseme_data.synthetic.run import synthesize


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed: None) -> None:
    """Threads for networks this small wait for each other longer than they work."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of prepared clips of three speakers, one of them in each split."""
    folder = tmp_path_factory.mktemp("landmarks") / "speakers"
    settings = SynthesizeConfig(
        speakers=3, minutes=0.3, languages="en", split_seed=6, split_shares=(0.4, 0.2, 0.4)
    )
    synthesize(settings, out=folder, workers=0)
    return folder

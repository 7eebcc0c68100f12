"""One thread for every test of the motion stage, and one synthetic folder to train on."""

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
    """A folder of prepared clips: in train one of English and one of Mandarin, in val another."""
    folder = tmp_path_factory.mktemp("motion") / "speakers"
    settings = SynthesizeConfig(
        speakers=3, minutes=0.3, languages="en,cmn", split_seed=6, split_shares=(0.6, 0.4, 0.0)
    )
    synthesize(settings, out=folder, workers=0)
    return folder


@pytest.fixture(scope="session")
def unheard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of prepared clips, all in test: one speaker of English and one of Mandarin."""
    folder = tmp_path_factory.mktemp("motion") / "unheard"
    settings = SynthesizeConfig(
        speakers=2, minutes=0.2, languages="en,cmn", seed=1, split_shares=(0.0, 0.0, 1.0)
    )
    synthesize(settings, out=folder, workers=0)
    return folder

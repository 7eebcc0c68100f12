import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread(_fixed_seed: None) -> None:
    """Threads for such small work wait for each other."""
    torch.set_num_threads(1)

"""Prepared clips and shards that several tests read and none changes."""

from pathlib import Path

import pytest
import torch

from tests.data.prepared import PLAN, Prepared, make_prepared
from viseme_data.pack import PackConfig, pack


@pytest.fixture
def _one_thread(_fixed_seed: None) -> None:
    """As in the loader's processes: threads for such small work wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    path = tmp_path_factory.mktemp("data") / "prepared"
    return Prepared(path, make_prepared(path))


@pytest.fixture(scope="session")
def packed(prepared: Prepared) -> Path:
    out = prepared.path.with_name("packed")
    config = PackConfig(
        data=str(prepared.path),
        out=str(out),
        segment=PLAN.length,
        window=PLAN.window,
        chunk_mb=1,
        extras=True,
    )
    pack(config)
    return out

from pathlib import Path

import pytest

from viseme_face.figures import FIGURES, main

pytest.importorskip("matplotlib", reason="needs viseme-core[train]")


@pytest.mark.slow
def test_every_layout_is_drawn_small_enough_to_commit(tmp_path: Path) -> None:
    main([str(tmp_path)])
    sizes = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {f"layouts_{name}" for name in FIGURES}
    assert max(sizes.values()) < 200_000
    assert min(sizes.values()) > 20_000

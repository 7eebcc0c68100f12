import subprocess
import sys

import pytest

HEAVY = ("lightning", "pytorch_lightning", "mediapipe", "cv2", "av", "jsonargparse", "tensorboard")
# protobuf 4 on Python 3.12, as pyproject.toml has it.
PROTOBUF = "ignore:Type google._upb:DeprecationWarning"
PACKAGES = ("core", "face", "data", "eval", "motion", "landmarks", "render", "pipeline")


def loaded_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print('|'.join(sys.modules))"
    warnings = ["-W", "error", "-W", PROTOBUF]
    result = subprocess.run(
        [sys.executable, *warnings, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in result.stdout.strip().split("|")}


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_alone_loads_nothing_heavy(package):
    loaded = loaded_by(f"import viseme_{package}")
    assert f"viseme_{package}" in loaded
    assert not loaded & set(HEAVY)


def test_the_parts_of_inference_load_nothing_heavy_either():
    modules = "viseme_core.audio, viseme_core.diffusion, viseme_core.checkpoint, viseme_face.raster"
    assert not loaded_by(f"import {modules}") & set(HEAVY)


def test_a_heavy_import_would_be_seen():
    assert "lightning" in loaded_by("import viseme_core.train")

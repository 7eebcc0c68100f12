import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import pytest

from tests.pipeline.marks.films import read_film, write_film
from viseme_pipeline.marks import provenance, read_provenance, write_provenance
from viseme_pipeline.marks.keys import SigningKey
from viseme_pipeline.marks.provenance import COMPOSITE, FACTS_LABEL, GENERATED

FACTS = {"system": "mesh", "seed": "7"}


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    frames = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), dtype=np.uint8)
    return write_film(tmp_path / "film.mp4", frames)


class _Error(Exception):
    pass


class _Signer:
    def __enter__(self) -> "_Signer":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A c2pa that appends what it signed, for what does not depend on the real one."""
    told: dict[str, Any] = {"fails": False}

    class Builder(_Signer):
        def __init__(self, manifest: dict[str, Any]) -> None:
            told["manifest"] = manifest

        def sign(self, signer: _Signer, kind: str, source: BinaryIO, target: BinaryIO) -> None:
            target.write(source.read()[:100])
            if told["fails"]:
                raise _Error("no room")
            source.seek(0)
            target.seek(0)
            target.write(source.read() + b"signed")

    def from_callback(sign: Any, alg: str, chain: str, authority: str | None) -> _Signer:
        told["authority"] = authority
        return _Signer()

    fake = SimpleNamespace(
        C2paError=_Error,
        C2paSigningAlg=SimpleNamespace(ES256="es256"),
        Signer=SimpleNamespace(from_callback=from_callback),
        Builder=Builder,
    )
    monkeypatch.setitem(sys.modules, "c2pa", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(provenance, "load_signing_key", lambda _: SigningKey(b"key", b"chain"))
    return told


def test_a_film_is_replaced_as_a_whole_and_nothing_else_is_left(
    film: Path, stand_in: dict[str, Any]
) -> None:
    before = film.read_bytes()
    write_provenance(film, facts=FACTS)
    assert film.read_bytes() == before + b"signed"
    assert not list(film.parent.glob("*partial*"))
    assert stand_in["authority"] is None


def test_a_signing_that_fails_leaves_the_film_as_it_was(
    film: Path, stand_in: dict[str, Any]
) -> None:
    before = film.read_bytes()
    stand_in["fails"] = True
    with pytest.raises(ValueError, match=r"cannot be signed \(no room\); it is left as it was"):
        write_provenance(film, facts=FACTS)
    assert film.read_bytes() == before
    assert not list(film.parent.glob("*partial*"))


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        ({}, "/compositeWithTrainedAlgorithmicMedia"),
        ({"source_type": GENERATED}, "/trainedAlgorithmicMedia"),
    ],
)
def test_the_manifest_says_that_a_trained_model_made_the_film_of_a_picture(
    film: Path, stand_in: dict[str, Any], options: dict[str, str], ending: str
) -> None:
    write_provenance(film, facts=FACTS, **options)
    actions, facts = stand_in["manifest"]["assertions"]
    (action,) = actions["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].startswith("http://cv.iptc.org/newscodes/")
    assert action["digitalSourceType"].endswith(ending)
    assert facts == {"label": FACTS_LABEL, "data": FACTS}


def test_what_is_no_mp4_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.mp4, got '.*film\.mkv'"):
        write_provenance(tmp_path / "film.mkv", facts={})
    with pytest.raises(FileNotFoundError, match="there is no film"):
        write_provenance(tmp_path / "none.mp4", facts={})
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_provenance(tmp_path / "none.mp4")


def test_a_missing_library_is_named_with_how_to_get_it(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)  # type: ignore[arg-type]
    with pytest.raises(ImportError, match="provenance needs c2pa-python"):
        write_provenance(film, facts={})


def test_what_was_written_is_read_back(film: Path) -> None:
    pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    frames = read_film(film)
    assert read_provenance(film) is None
    write_provenance(film, facts=FACTS)
    read = read_provenance(film)
    assert read is not None
    assert read.intact, read.problems
    assert read.facts == FACTS
    assert read.source_type == COMPOSITE
    assert read.generator == "viseme"
    np.testing.assert_array_equal(read_film(film), frames)


def test_a_changed_film_is_noticed(film: Path) -> None:
    pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    write_provenance(film, facts=FACTS)
    content = bytearray(film.read_bytes())
    # The middle of the media data: the picture changes, the boxes do not.
    content[content.rindex(b"mdat") + 200] ^= 0xFF
    film.write_bytes(content)
    read = read_provenance(film)
    assert read is not None
    assert not read.intact
    assert "broken" in read.describe()

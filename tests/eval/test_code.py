"""The hash of the code that measures."""

from types import SimpleNamespace

from viseme_eval.run import code


def test_another_line_anywhere_is_another_hash(tmp_path, monkeypatch):
    for name in code._PACKAGES:
        (tmp_path / name / "part").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "part/a.py").write_text("x = 1\n")
    monkeypatch.setattr(
        code, "find_spec", lambda name: SimpleNamespace(origin=tmp_path / name / "__init__.py")
    )
    hashes = {code.code_hash.__wrapped__()}
    (tmp_path / "viseme_face/part/a.py").write_text("x = 2\n")
    hashes.add(code.code_hash.__wrapped__())
    (tmp_path / "viseme_face/part/a.py").rename(tmp_path / "viseme_face/part/b.py")
    hashes.add(code.code_hash.__wrapped__())
    assert len(hashes) == 3
    assert {len(found) for found in hashes} == {8}


def test_the_hash_of_this_code_is_always_the_same():
    assert code.code_hash.__wrapped__() == code.code_hash.__wrapped__() == code.code_hash()

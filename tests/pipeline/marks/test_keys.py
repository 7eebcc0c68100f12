import stat
from pathlib import Path

import pytest

from viseme_pipeline.marks.keys import KEY_VARIABLE, load_signing_key, local_key_path


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def test_the_local_key_lies_in_the_users_configuration_folder(tmp_path: Path) -> None:
    assert local_key_path() == tmp_path / "config" / "viseme" / "signing_key.pem"


def test_a_key_is_made_on_first_use_for_its_owner_only_and_kept() -> None:
    pytest.importorskip("cryptography")
    first = load_signing_key()
    assert stat.S_IMODE(local_key_path().stat().st_mode) == 0o600
    assert [path.name for path in local_key_path().parent.iterdir()] == ["signing_key.pem"]
    assert load_signing_key() == first


def test_a_signature_is_verified_by_the_first_certificate_which_the_second_signed() -> None:
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = load_signing_key()
    leaf, root = x509.load_pem_x509_certificates(key.chain_pem)
    public = leaf.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(key.sign(b"message"), b"message", ec.ECDSA(hashes.SHA256()))
    leaf.verify_directly_issued_by(root)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_key_does_not_show_itself_when_printed() -> None:
    pytest.importorskip("cryptography")
    assert "PRIVATE" not in repr(load_signing_key())


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    loose = tmp_path / "loose.pem"
    loose.write_text("secret")
    loose.chmod(0o644)
    with pytest.raises(ValueError, match=r"may be read by others; run `chmod 600"):
        load_signing_key(loose)


def test_a_named_key_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "none.pem"))
    with pytest.raises(FileNotFoundError, match="there is no signing key"):
        load_signing_key()


def test_a_file_that_is_no_key_is_refused_in_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    words = tmp_path / "words.pem"
    words.write_text("words")
    words.chmod(0o600)
    with pytest.raises(ValueError, match="must hold a private key and its certificates as PEM"):
        load_signing_key(words)

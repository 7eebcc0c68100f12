"""The key that signs provenance: the user's own, or a local one made on first use."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

KEY_VARIABLE = "VISEME_SIGNING_KEY"
"""Environment variable with the path of the user's own key file."""

_INSTALL = "run `uv sync`, or `pip install cryptography c2pa-python==0.38.1`"
_YEARS = 10
_MINE_ONLY = 0o600


@dataclass(frozen=True)
class SigningKey:
    """A private key and the certificates that stand for it, the key's own first, as PEM."""

    private_pem: bytes = field(repr=False)
    chain_pem: bytes

    def sign(self, message: bytes) -> bytes:
        """Return the ES256 signature of a message, DER-coded."""
        crypto = _cryptography()
        private = crypto.serialization.load_pem_private_key(self.private_pem, password=None)
        return private.sign(message, crypto.ec.ECDSA(crypto.hashes.SHA256()))


def local_key_path() -> Path:
    """Return where the local key lies: in the user's configuration folder, never in a project."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "viseme" / "signing_key.pem"


def load_signing_key(path: str | Path | None = None) -> SigningKey:
    """Return the key that signs: of `path`, of $VISEME_SIGNING_KEY, or the local one.

    Args:
        path: PEM file with a P-256 private key and its certificate chain, the key's own
            certificate first. The local key is made if neither this nor the variable is given.

    Raises:
        ValueError: If the file is no such key, or may be read by others.
        FileNotFoundError: If a file that was named is not there.
    """
    chosen = path or os.environ.get(KEY_VARIABLE)
    if chosen:
        return _read(Path(chosen))
    local = local_key_path()
    if not local.is_file():
        _make(local)
    return _read(local)


def _read(path: Path) -> SigningKey:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no signing key {str(path)!r}; correct ${KEY_VARIABLE}, or unset it to sign "
            f"with a local key"
        )
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ValueError(
            f"the signing key {str(path)!r} may be read by others; run `chmod 600 {path}`"
        )
    crypto = _cryptography()
    content = path.read_bytes()
    try:
        private = crypto.serialization.load_pem_private_key(content, password=None)
        chain = crypto.x509.load_pem_x509_certificates(content)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{str(path)!r} must hold a private key and its certificates as PEM, without a "
            f"password ({error})"
        ) from error
    if not isinstance(getattr(private, "curve", None), crypto.ec.SECP256R1):
        raise ValueError(
            f"the signing key {str(path)!r} must be on the curve P-256 (ES256), got "
            f"{type(private).__name__}; make one with `openssl ecparam -name prime256v1 -genkey`"
        )
    if chain[0].public_key().public_numbers() != private.public_key().public_numbers():
        raise ValueError(
            f"the first certificate of {str(path)!r} is not that of its private key; put the key's "
            f"own certificate first"
        )
    encoding = crypto.serialization.Encoding.PEM
    return SigningKey(
        _private_pem(crypto, private),
        b"".join(certificate.public_bytes(encoding) for certificate in chain),
    )


def _make(path: Path) -> None:
    """Write a new key with two certificates: C2PA refuses one that signed itself."""
    crypto = _cryptography()
    authority = crypto.ec.generate_private_key(crypto.ec.SECP256R1())
    private = crypto.ec.generate_private_key(crypto.ec.SECP256R1())
    root = _certify(crypto, "viseme local authority", authority, authority, None)
    leaf = _certify(crypto, "viseme local signer", private, authority, root)
    encoding = crypto.serialization.Encoding.PEM
    content = _private_pem(crypto, private) + leaf.public_bytes(encoding)
    content += root.public_bytes(encoding)
    # The authority's key is forgotten: nobody can make another certificate in its name.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MINE_ONLY)
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
        with suppress(FileExistsError):  # Another process was first; its key is as good.
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _certify(crypto: Any, name: str, subject: Any, authority: Any, issuer: Any) -> Any:
    """Return a certificate of the kind that C2PA asks for; without an issuer, an authority's."""
    x509, oid = crypto.x509, crypto.oid
    title = x509.Name(
        [
            x509.NameAttribute(oid.NameOID.ORGANIZATION_NAME, "viseme"),
            x509.NameAttribute(oid.NameOID.COMMON_NAME, name),
        ]
    )
    now = datetime.now(UTC)
    is_authority = issuer is None
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usage["key_cert_sign" if is_authority else "digital_signature"] = True
    builder = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(title if is_authority else issuer.subject)
        .public_key(subject.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
        )
    )
    if not is_authority:
        purpose = x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(authority, crypto.hashes.SHA256())


def _private_pem(crypto: Any, private: Any) -> bytes:
    kinds = crypto.serialization
    return private.private_bytes(
        kinds.Encoding.PEM, kinds.PrivateFormat.PKCS8, kinds.NoEncryption()
    )


def _cryptography() -> Any:
    try:
        return _Cryptography()
    except ImportError as error:
        raise ImportError(f"signing provenance needs cryptography ({error}); {_INSTALL}") from error


class _Cryptography:
    """The parts of the library `cryptography` that are used, loaded when signing starts."""

    def __init__(self) -> None:
        self.x509: Any = import_module("cryptography.x509")
        self.oid: Any = import_module("cryptography.x509.oid")
        self.hashes: Any = import_module("cryptography.hazmat.primitives.hashes")
        self.serialization: Any = import_module("cryptography.hazmat.primitives.serialization")
        self.ec: Any = import_module("cryptography.hazmat.primitives.asymmetric.ec")

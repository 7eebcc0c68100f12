"""Signed provenance: a C2PA manifest inside the MP4 file that says how it was made.

Nothing goes over the network: the key is local, there is no time stamp from an authority, and
manifests that lie elsewhere are not fetched. A local key proves that the file was not changed since
it was signed, not who signed it.
"""

import json
import os
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from viseme_pipeline.marks.keys import SigningKey, load_signing_key

_KINDS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE = f"{_KINDS}compositeWithTrainedAlgorithmicMedia"
"""IPTC's name for what a trained model made within a picture that was given."""
GENERATED = f"{_KINDS}trainedAlgorithmicMedia"
"""IPTC's name for what a trained model made altogether."""
FACTS_LABEL = "org.viseme.generation"

_FORMAT = "video/mp4"
# Keys that no public authority vouches for are the rule here, and no sign of a change.
_EXPECTED_PROBLEMS = {"signingCredential.untrusted"}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a file says of its origin."""

    intact: bool
    """Whether the file is as it was signed."""
    facts: dict[str, str]
    """What the generator noted, if it was viseme."""
    source_type: str
    """IPTC digital source type of the first action, "" if there is none."""
    generator: str
    """Program that wrote the manifest."""
    problems: tuple[str, ...]
    """C2PA's codes of what does not fit, empty if intact."""

    def describe(self) -> str:
        """Return one sentence for people."""
        if not self.intact:
            return f"provenance is broken: the file was changed ({', '.join(self.problems)})"
        kind = self.source_type.rsplit("/", 1)[-1] or "no source type"
        return f"provenance by {self.generator or 'an unnamed program'}: {kind}, file unchanged"


def write_provenance(
    path: str | Path,
    *,
    facts: dict[str, str],
    title: str | None = None,
    source_type: str = COMPOSITE,
    key: str | Path | None = None,
) -> None:
    """Put a signed manifest into a finished MP4 file, in place; at no time is half a file there.

    Args:
        path: The film, ending in .mp4.
        facts: What shall be known of its making, such as system, seed and version.
        title: What the film is called, by default its file's name.
        source_type: IPTC digital source type: COMPOSITE for a picture or clip that was given and
            moves, GENERATED for a film of which nothing was given.
        key: Key file as of `load_signing_key`.

    Raises:
        ValueError: If the file is no MP4 file, or the key cannot be used.
        OSError: If the file cannot be rewritten; it is then as it was.
        ImportError: If c2pa-python is not installed.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"write_provenance.path must end in .mp4, got {str(path)!r}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no film {str(path)!r} to sign; write it first")
    c2pa = _c2pa()
    signing_key = load_signing_key(key)
    name = title or path.name
    partial = path.with_name(path.name + ".signed.partial")
    try:
        with path.open("rb") as source, partial.open("w+b") as target:
            _sign(c2pa, signing_key, _manifest(name, facts, source_type), source, target)
        os.replace(partial, path)
    except c2pa.C2paError as error:
        raise ValueError(f"{name!r} cannot be signed ({error}); it is left as it was") from error
    except OSError as error:
        raise OSError(
            error.errno, f"{name!r} cannot be signed ({error.strerror}); it is left as it was"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def check_provenance(key: str | Path | None = None) -> None:
    """Refuse, before any work, what would keep a film from being signed at its end.

    Args:
        key: Key file as of `load_signing_key`.

    Raises:
        ValueError: If the key cannot be used.
        OSError: If no key can be made.
        ImportError: If c2pa-python is not installed.
    """
    _c2pa()
    load_signing_key(key)


def read_provenance(path: str | Path) -> Provenance | None:
    """Return what an MP4 file says of its origin, or None if it says nothing.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no MP4 file.
        ImportError: If c2pa-python is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}; check the path")
    c2pa = _c2pa()
    settings = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    try:
        with c2pa.Context.from_dict(settings) as context, path.open("rb") as stream:
            reader = c2pa.Reader.try_create(_FORMAT, stream, context=context)
            if reader is None:
                return None
            with reader:
                store = json.loads(reader.json())
    except c2pa.C2paError as error:
        raise ValueError(
            f"the provenance of {str(path)!r} cannot be read ({error}); give an MP4 file"
        ) from error
    return _understand(store)


def _sign(c2pa: Any, key: SigningKey, manifest: dict[str, Any], source: Any, target: Any) -> None:
    # A callback, since a signer made from key and certificate insists on a time stamp authority.
    with (
        c2pa.Signer.from_callback(
            key.sign, c2pa.C2paSigningAlg.ES256, key.chain_pem.decode("ascii"), None
        ) as signer,
        c2pa.Builder(manifest) as builder,
    ):
        builder.sign(signer, _FORMAT, source, target)


def _manifest(title: str, facts: dict[str, str], source_type: str) -> dict[str, Any]:
    created = {"action": "c2pa.created", "digitalSourceType": source_type}
    version = metadata.version("viseme-pipeline")
    return {
        "claim_generator_info": [{"name": "viseme", "version": version}],
        "format": _FORMAT,
        "title": title,
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": FACTS_LABEL, "data": {str(name): str(fact) for name, fact in facts.items()}},
        ],
    }


def _understand(store: dict[str, Any]) -> Provenance:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    facts: dict[str, str] = {}
    source_type = ""
    for assertion in manifest.get("assertions", []):
        label, data = assertion.get("label", ""), assertion.get("data", {})
        if label == FACTS_LABEL:
            facts = {str(name): str(fact) for name, fact in data.items()}
        elif label.startswith("c2pa.actions") and not source_type:
            types = [action.get("digitalSourceType", "") for action in data.get("actions", [])]
            source_type = next(filter(None, types), "")
    generators = manifest.get("claim_generator_info") or [{}]
    codes = {str(status.get("code")) for status in store.get("validation_status") or []}
    problems = tuple(sorted(codes - _EXPECTED_PROBLEMS))
    if not manifest:
        problems = (*problems, "manifest.missing")
    return Provenance(
        intact=not problems,
        facts=facts,
        source_type=source_type,
        generator=str(generators[0].get("name", "")),
        problems=problems,
    )


def _c2pa() -> Any:
    try:
        return import_module("c2pa")
    except ImportError as error:
        raise ImportError(
            f"provenance needs c2pa-python ({error}); run `uv sync`, or "
            f"`pip install c2pa-python==0.38.1`"
        ) from error

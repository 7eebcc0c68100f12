"""`viseme doctor`: what is installed, what can be done here, and what is missing."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import torch

from viseme_eval.networks.registry import weights_table
from viseme_pipeline.arguments import Parser
from viseme_pipeline.default import default_folder, describe, embedded_folders, system_of
from viseme_pipeline.demo import PORTRAIT, VOICE
from viseme_pipeline.dubbing_rules import SYSTEM, TRAINING
from viseme_pipeline.marks.keys import KEY_VARIABLE, load_signing_key, local_key_path
from viseme_pipeline.systems import (
    StageName,
    motion_systems,
    pair_trained_here,
    render_systems,
    trained_here,
)

PACKAGES = ("core", "face", "data", "eval", "motion", "landmarks", "render", "pipeline")
LIBRARIES_OF_FFMPEG = ("libavformat", "libavcodec")
CODERS = ("libx264", "aac")
"""What films are written with."""
GRADIO_MAJOR = 6
LIBRARIES = ("torch", "torchaudio", "diffusers", "lightning", "av", "mediapipe", "opencv-python")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that can be done here or not."""

    what: str
    """The thing."""
    missing: str = ""
    """What is missing and how to get it; empty if nothing is."""
    note: str = ""
    """What else is worth knowing."""

    def __str__(self) -> str:
        state = f"no: {self.missing}" if self.missing else "yes"
        return f"  {self.what:34}{state}" + (f" ({self.note})" if self.note else "")


def doctor(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code, 1 if a film cannot be made here, and the report."""
    description = "What is installed, what can be done here, and what is missing."
    Parser(prog="viseme doctor", description=description).parse_args(list(arguments))
    chain = chain_findings()
    lines = [
        "Installed",
        f"  Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        *(f"  {name} {_version(name)}" for name in LIBRARIES),
        *(f"  viseme-{name} {_version('viseme-' + name)}" for name in PACKAGES),
        "Devices",
        *(f"  {line}" for line in devices()),
        "A film: `viseme generate`",
        *map(str, chain),
        "Systems and their weights",
        *map(str, system_findings()),
        "Beyond it",
        *map(str, other_findings()),
    ]
    return int(any(finding.missing for finding in chain)), "\n".join(lines)


def chain_findings() -> list[Finding]:
    """Return what a film with the embedded default needs."""
    return [
        _media(),
        _importable("finding faces", "viseme_data.facemesh", "pip install 'viseme-data[track]'"),
        _weights(),
        Finding(what="mesh renderer", note="needs no weights"),
        _importable("marks", "viseme_pipeline.marks", "pip install viseme-pipeline"),
        _importable("provenance", "c2pa", "pip install c2pa-python==0.38.1"),
        _signing_key(),
        Finding(
            what="demo's portrait and voice",
            missing=""
            if PORTRAIT.is_file() and VOICE.is_file()
            else "install viseme-pipeline completely, or `python -m viseme_pipeline.build_demo`",
        ),
    ]


def system_findings() -> list[Finding]:
    """Return for which systems of each stage there are weights here."""
    try:
        embedded = embedded_folders()
    except ValueError:
        # Told with the default's own finding.
        embedded = {}
    found = [
        Finding(what=f"{system}, motion", note=f"comes with viseme: --system {system}")
        if system in embedded
        else _trained("motion", system, option="--motion")
        for system in motion_systems()
    ]
    found.append(Finding(what="mesh, renderer", note="needs no weights: --renderer mesh"))
    for system, takes_motion in render_systems().items():
        other = "--landmarks RUN --renderer" if system == SYSTEM else ""
        found.append(_trained("render", system, option="--renderer" if takes_motion else other))
    found.append(_trained("landmarks", "", option="--renderer RUN --landmarks"))
    found.append(_dubbing(SYSTEM in embedded))
    return found


def other_findings() -> list[Finding]:
    """Return what the page, training and measuring need."""
    found = [
        _page(),
        _importable("training", "lightning", "pip install 'viseme-motion[train]'"),
        _importable("synthetic speech", "espeakng_loader", "pip install 'viseme-data[synthetic]'"),
    ]
    rows = weights_table(check=False)
    here = [row.weights.name for row in rows if row.present]
    found.append(
        Finding(
            what="networks of measures",
            note=f"{len(here)} of {len(rows)} with weights, besides the shipped sync and identity "
            f"networks; `viseme-eval weights` lists them",
        )
    )
    return found


def devices() -> list[str]:
    """Return the devices that networks can run on, the fastest last."""
    lines = [f"cpu: {os.cpu_count()} cores, {torch.get_num_threads()} threads of torch"]
    if torch.backends.mps.is_available():
        lines.append("mps: Apple's GPU")
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        lines.append(f"cuda:{number}: {facts.name}, {facts.total_memory / 2**30:.0f} GiB")
    if len(lines) == 1:
        lines.append("no GPU: networks run on the CPU")
    return lines


def _page() -> Finding:
    """Look for Gradio, and whether it is new enough."""
    what, command = "the page: `viseme serve`", "pip install 'viseme-pipeline[serve]'"
    found = _version("gradio")
    if found[0].isdigit() and int(found.partition(".")[0]) < GRADIO_MAJOR:
        return Finding(what=what, missing=f"Gradio {found} is too old; `{command}`")
    return _importable(what, "gradio", command)


def _media() -> Finding:
    """Look for PyAV, and for the coders that films are written with."""
    what = "reading and writing media"
    try:
        av = import_module("av")
    except ImportError as error:
        return Finding(what=what, missing=f"{error}; `pip install viseme-data`")
    for name in CODERS:
        try:
            av.codec.Codec(name, "w")
        except ValueError:
            again = "`pip install --force-reinstall av`"
            return Finding(what=what, missing=f"this PyAV cannot write {name!r}; {again}")
    versions = av.library_versions
    shown = [f"{key} {'.'.join(map(str, versions[key]))}" for key in LIBRARIES_OF_FFMPEG]
    return Finding(what=what, note=f"{', '.join(shown)}; {' and '.join(CODERS)}")


def _weights() -> Finding:
    """Read the embedded default as a film would."""
    try:
        folder = default_folder()
        import_module("viseme_pipeline.chain").TalkingFace.from_pretrained(folder, device="cpu")
    except (ValueError, ImportError) as error:
        return Finding(what="embedded default", missing=str(error))
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    return Finding(
        what="embedded default",
        note=f"{system_of(folder)}, {size / 1e6:.1f} MB. {describe(folder)}",
    )


def _signing_key() -> Finding:
    """Look at the key that signs provenance; none is made by looking."""
    what = "key that signs films"
    named = os.environ.get(KEY_VARIABLE)
    if not named and not local_key_path().is_file():
        return Finding(what=what, note=f"none yet; the first film makes {local_key_path()}")
    try:
        load_signing_key()
    except (ValueError, OSError, ImportError) as error:
        return Finding(what=what, missing=str(error))
    return Finding(what=what, note=f"of ${KEY_VARIABLE}" if named else str(local_key_path()))


def _trained(stage: StageName, system: str, *, option: str) -> Finding:
    """Say whether weights of a system were trained here, and how they are named or made."""
    what = f"{system}, {stage}".lstrip(", ")
    use = f"`viseme generate {option} %s`" if option else "not for `viseme generate` yet"
    run = trained_here(stage, system)
    if run is not None:
        return Finding(what=what, note=f"trained here: {use.replace('%s', str(run))}")
    command = f"make train-{stage} SYSTEM={system}".removesuffix(" SYSTEM=")
    return Finding(
        what=what,
        missing=f"no weights are shipped; `{command}` trains some",
        note=use.replace("%s", "RUN"),
    )


def _dubbing(is_embedded: bool) -> Finding:
    """Say whether a clip can be dubbed by landmarks with weights that are here."""
    what = "dubbing by landmarks"
    if is_embedded:
        return Finding(what=what, note=f"comes with viseme: --system {SYSTEM}")
    pair = pair_trained_here()
    if pair is None:
        return Finding(what=what, missing=f"needs landmarks and {SYSTEM}; {TRAINING}")
    use = f"`viseme generate --video CLIP --landmarks {pair[0]} --renderer {pair[1]}`"
    return Finding(what=what, note=f"trained here: {use}")


def _importable(what: str, module: str, command: str) -> Finding:
    try:
        import_module(module)
    except ImportError as error:
        return Finding(what=what, missing=f"{error}; `{command}`")
    return Finding(what=what)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

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
from viseme_pipeline.default import default_folder, describe_default
from viseme_pipeline.demo import PORTRAIT, VOICE
from viseme_render import FrameRenderer

PACKAGES = ("core", "face", "data", "eval", "motion", "landmarks", "render", "pipeline")
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
    chain, others = chain_findings(), other_findings()
    lines = [
        "Installed",
        f"  Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        *(f"  {name} {_version(name)}" for name in LIBRARIES),
        *(f"  viseme-{name} {_version('viseme-' + name)}" for name in PACKAGES),
        "Devices",
        *(f"  {line}" for line in devices()),
        "A film: `viseme generate`",
        *map(str, chain),
        "Beyond it",
        *map(str, others),
    ]
    return int(any(finding.missing for finding in chain)), "\n".join(lines)


def chain_findings() -> list[Finding]:
    """Return what a film with the embedded default needs."""
    return [
        _importable("reading and writing media", "av", "pip install viseme-data"),
        _importable("finding faces", "viseme_data.facemesh", "pip install 'viseme-data[track]'"),
        _weights(),
        Finding(what="mesh renderer", note="needs no weights"),
        _importable("marks", "viseme_pipeline.marks", "pip install viseme-pipeline"),
        Finding(
            what="demo's portrait and voice",
            missing=""
            if PORTRAIT.is_file() and VOICE.is_file()
            else "install viseme-pipeline completely, or `python -m viseme_pipeline.build_demo`",
        ),
    ]


def other_findings() -> list[Finding]:
    """Return what each system can do here, and what training and measuring need."""
    trained = "no weights are shipped; train one and name it by --motion"
    rendered = "no weights are shipped; train one and name it by --renderer"
    found = [
        Finding(what="FD2Talk, motion", note="the embedded default, or --motion"),
        Finding(what="DisentTalk, motion", missing=trained, note="make train-motion"),
    ]
    known = sorted(FrameRenderer._systems)
    for system in ("pirender",):
        is_built = system in known
        found.append(
            Finding(
                what=f"{system}, renderer",
                missing=rendered if is_built else "this viseme-render does not have it",
            )
        )
    found.append(Finding(what="TalkFormer, landmarks to frames", missing="not built yet"))
    found.append(Finding(what="ImagineID", missing="not built yet"))
    found.append(_importable("training", "lightning", "pip install 'viseme-motion[train]'"))
    found.append(
        _importable("synthetic speech", "espeakng_loader", "pip install 'viseme-data[synthetic]'")
    )
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


def _weights() -> Finding:
    try:
        folder = default_folder()
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        note = f"{size / 1e6:.1f} MB. {describe_default()}"
    except ValueError as error:
        return Finding(what="embedded default", missing=str(error))
    return Finding(what="embedded default", note=note)


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

"""What a file's place and name can tell."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What a corpus says of one of its files; empty and 0 where it does not."""

    speaker: str
    """Who speaks: clips of one speaker share a split."""
    language: str = ""
    """Code such as `en` or `cmn`."""
    emotion: str = ""
    """The corpus' own word."""
    emotion_level: int = 0
    """How strong, from 1."""
    sound: str = ""
    """File with the sound, relative to the same folder, where the corpus keeps it apart."""


@dataclass(frozen=True)
class CorpusLayout:
    """One corpus' scheme of names."""

    name: str
    scheme: str
    """Its names by an example, for messages."""
    facts: Callable[[str], ClipFacts | None]
    """Facts of a file by its relative path with `/`; None if it is not named by this scheme."""

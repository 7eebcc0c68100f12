"""Learns the table of mouth shapes from clips of people whose words are known.

    python -m viseme_data.synthetic.viseme_learning PREPARED TRANSCRIPTS.tsv OUT.json

TRANSCRIPTS.tsv has a first line `source start_sec end_sec text`, tabs between, and a line for each
stretch of speech: the video's path as in the manifest, and seconds of that video from silence to
silence. Learned are the targets of what landmarks show well, jaw, opening and width. All else stays
as in the table given: also that lips touch or are bitten, rest, and how large movements are in all.

Letters: T frames, N sounds of the inventory, C channels, P sounds of a clip.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from viseme_core.types import FPS
from viseme_data.synthetic.coarticulation import move_mouth
from viseme_data.synthetic.phonemes import PAUSE, inventory
from viseme_data.synthetic.speech import Voice
from viseme_data.synthetic.spoken_clips import MEASURED, SpokenClip, read_spoken
from viseme_data.synthetic.visemes import CHANNELS, TABLE_FILE, VisemeTable

logger = logging.getLogger(__name__)

PHONETIC_FILE = TABLE_FILE.with_name("visemes_phonetic.json")
"""Mouth shapes as phonetics describes them, from which learning starts."""
TRUST = 100.0
"""So many frames that show a sound weigh as much as its given shape."""
# What a sound learns holds by half for the others of its family.
_KINSHIP = 1.0
# Measured mouths run ahead of `move_mouth` by half a frame.
_LEAD_SEC = 0.02
# A long clip counts for no more than this, or one speaker would be the table.
_MAX_FRAMES = 600
_MIN_FRAMES = 25
_MIN_SEC = 30.0
# Of its given opening a sound keeps this part at least: shares of neighbours overlap, so that the
# fit overshoots, and a long /u/ would be shut.
_LEAST_PART = 0.5
_ABOUT = (
    "Mouth shape of every speech sound. Targets: chin drop, gap of the lips, change of the "
    "distance of the corners and protrusion in mm of the mean face; tuck of the lower lip under "
    "the teeth, pressing of the lips and height of the tip of the tongue from 0 to 1. Dominance: "
    "how strongly the sound insists on its target against its neighbours. Contact: the lips touch. "
    "Targets of jaw, opening and width were learned from table {} and {:.1f} minutes of speech in "
    "{} clips of {} people; all else is as it was there. Mean correlation with the measured mouths "
    "of people left out of the learning, before and after: {}."
)
# From here on a tucked lip is a bite.
_BITE = 0.5


class HeldOut(NamedTuple):
    """How well tables foretell mouths of people they were not learned from."""

    given_KM: Tensor
    """Correlation of each clip's measured channels with those of the given table."""
    learned_KM: Tensor
    """The same of the tables learned without that person."""

    def __str__(self) -> str:
        """Return it in words."""
        pairs = zip(MEASURED, self.given_KM.mean(0), self.learned_KM.mean(0), strict=True)
        return ", ".join(f"{name} {old:.2f} -> {new:.2f}" for name, old, new in pairs)


def learn_table(
    clips: Sequence[SpokenClip], given: VisemeTable, *, trust: float = TRUST
) -> VisemeTable:
    """Return the given table with the targets that explain measured mouths best.

    The mouth's shape is linear in the targets, so that they are a least squares problem per
    channel, with the given ones as the prior. Every clip's measures are first brought to the mean
    and size of what the given table foretells of it: people differ in both.

    Args:
        clips: Clips of at least two people.
        given: Targets to start from; dominances and contacts.
        trust: How many frames' worth the given targets count.

    Raises:
        ValueError: If that is too little to learn from.
    """
    return _solve(_problems(clips, given), given, trust)


def hold_out(clips: Sequence[SpokenClip], given: VisemeTable, *, trust: float = TRUST) -> HeldOut:
    """Return how well the given table does, and one learned from all other people.

    Raises:
        ValueError: If there is too little to learn from.
    """
    return _held_out(_problems(clips, given), given, trust)


def save_better(clips: Sequence[SpokenClip], given: VisemeTable, path: Path) -> HeldOut:
    """Write the table learned from some clips, with a note from what; return how good it is.

    Raises:
        ValueError: If there is too little to learn from, or unseen people are foretold no better
            than by the given table; then nothing is written.
    """
    problems = _problems(clips, given)
    held = _held_out(problems, given, TRUST)
    if held.learned_KM.mean() <= held.given_KM.mean():
        raise ValueError(
            f"a table learned from these clips foretells other people no better than the one "
            f"there is ({held}); nothing is written"
        )
    learned = _solve(problems, given, TRUST)
    seconds = sum(int(clip.channels_TC.isfinite().any(-1).sum()) for clip in clips) / FPS
    people = len({clip.speaker for clip in clips})
    learned.save(path, _ABOUT.format(given.digest, seconds / 60, len(clips), people, held))
    return held


class _Problem(NamedTuple):
    """What a clip says of the targets."""

    speaker: str
    shares: Mapping[str, Tensor]
    """By channel, how much each sound's target is in each frame, (T, N)."""
    values: Mapping[str, Tensor]
    """By channel what was measured, (T,)."""


def _problems(clips: Sequence[SpokenClip], given: VisemeTable) -> list[_Problem]:
    problems = [_problem(clip, given) for clip in clips]
    problems = [one for one in problems if len(one.values["opening"]) >= _MIN_FRAMES]
    seconds = sum(len(one.values["opening"]) for one in problems) / FPS
    people = {one.speaker for one in problems}
    if len(people) < 2 or seconds < _MIN_SEC:
        raise ValueError(
            f"mouth shapes are learned from {_MIN_SEC:.0f} s of speech of 2 people at least, in "
            f"stretches of a second or more; got {seconds:.1f} s of {len(people)}; add clips and "
            f"their transcripts"
        )
    return problems


def _problem(clip: SpokenClip, given: VisemeTable) -> _Problem:
    measured = [CHANNELS.index(name) for name in MEASURED]
    is_known_T = clip.channels_TC[:, measured].isfinite().all(-1)
    times_T = (torch.arange(len(is_known_T)).double() + 0.5) / FPS + _LEAD_SEC
    times_T = times_T[is_known_T]
    names = inventory().names
    present = sorted({names.index(phone.name) for phone in clip.phones})
    shares = {name: torch.zeros(len(times_T), len(names)).double() for name in MEASURED}
    # A table in which one sound alone has targets shows that sound's shares.
    silent = given.with_targets(dict.fromkeys(names, (0.0,) * len(CHANNELS)))
    for number in present:
        lone = silent.with_targets({names[number]: (1.0,) * len(CHANNELS)})
        moved_TC = move_mouth(clip.phones, lone, times_T, torch.ones_like(times_T)).channels_TC
        for name in MEASURED:
            shares[name][:, number] = moved_TC[:, CHANNELS.index(name)]
    values = {
        name: clip.channels_TC[is_known_T, CHANNELS.index(name)].double() for name in MEASURED
    }
    return _Problem(clip.speaker, shares, values)


def _held_out(problems: Sequence[_Problem], given: VisemeTable, trust: float) -> HeldOut:
    given_NC = given.targets(inventory().names)
    learned_NC = {
        person: _solve([one for one in problems if one.speaker != person], given, trust).targets(
            inventory().names
        )
        for person in {one.speaker for one in problems}
    }
    return HeldOut(
        torch.tensor([[_fit(one, given_NC, name) for name in MEASURED] for one in problems]),
        torch.tensor(
            [[_fit(one, learned_NC[one.speaker], name) for name in MEASURED] for one in problems]
        ),
    )


def _solve(problems: Sequence[_Problem], given: VisemeTable, trust: float) -> VisemeTable:
    names = inventory().names
    targets_NC = given.targets(names)
    for name in MEASURED:
        channel = CHANNELS.index(name)
        prior_N, floor_N = _prior(given, name)
        normal_NN = trust * torch.linalg.inv(_kinship(given))
        right_N = torch.zeros(len(names)).double()
        fits = [_fit(one, targets_NC, name) for one in problems]
        # Of a mouth in which something else moves too, only a part is speech.
        part = max(0.1, sum(fits) / len(fits))
        for one in problems:
            shares_TN, values_T = one.shares[name], one.values[name]
            foretold_T = shares_TN @ prior_N
            size = foretold_T.std() / values_T.std().clamp(min=1e-6) / part
            left_T = _centered(values_T) * size - _centered(foretold_T)
            weight = min(1.0, _MAX_FRAMES / len(values_T))
            shares_TN = _centered(shares_TN)
            normal_NN += weight * shares_TN.T @ shares_TN
            right_N += weight * shares_TN.T @ left_T
        free = (floor_N < prior_N).nonzero()[:, 0]
        learned_N = prior_N.clone()
        learned_N[free] += torch.linalg.solve(normal_NN[free][:, free], right_N[free])
        resized_N = learned_N[free] * _resize(problems, name, prior_N, learned_N)
        targets_NC[free, channel] = torch.maximum(resized_N, floor_N[free])
    return given.with_targets(
        {name: tuple(targets_NC[row].tolist()) for row, name in enumerate(names)}
    )


def _prior(given: VisemeTable, name: str) -> tuple[Tensor, Tensor]:
    """Return the given targets of a channel and the least each may be, (N,) both.

    Where the least is the given target, it is kept: rest, which pauses within speech do not show,
    and the opening of lips that touch, which is 0, or are bitten.
    """
    names = inventory().names
    prior_N = given.targets(names)[:, CHANNELS.index(name)]
    floor_N = {
        "jaw": torch.zeros_like(prior_N),
        "opening": prior_N * _LEAST_PART,
        "width": torch.full_like(prior_N, -torch.inf),
    }[name]
    for row, sound in enumerate(names):
        is_bite = given.shapes[sound].target[CHANNELS.index("tuck")] > _BITE
        if sound == PAUSE or (name == "opening" and is_bite):
            floor_N[row] = prior_N[row]
    return prior_N, floor_N


def _kinship(given: VisemeTable) -> Tensor:
    """Return how changes of sounds go together before anything is seen, (N, N).

    Sounds of equal dominances are a family; what one teaches holds for all of them in part.
    """
    rows = [given.shapes[name].dominance for name in inventory().names]
    akin_NN = torch.tensor([[float(one == other) for other in rows] for one in rows])
    return torch.eye(len(rows)).double() + _KINSHIP * akin_NN.double()


def _resize(problems: Sequence[_Problem], name: str, prior_N: Tensor, learned_N: Tensor) -> float:
    """Return the factor that gives foretold movements the size that the given table gives them."""
    old = sum(float((one.shares[name] @ prior_N).std()) for one in problems)
    new = sum(float((one.shares[name] @ learned_N).std()) for one in problems)
    return old / max(new, 1e-6)


def _fit(problem: _Problem, targets_NC: Tensor, name: str) -> float:
    """Return the correlation of what a table foretells of a channel with what was measured."""
    foretold_T = _centered(problem.shares[name] @ targets_NC[:, CHANNELS.index(name)])
    measured_T = _centered(problem.values[name])
    norm = foretold_T.norm() * measured_T.norm()
    return float(foretold_T @ measured_T / norm.clamp(min=1e-9))


def _centered(values_TX: Tensor) -> Tensor:
    return values_TX - values_TX.mean(0)


def main() -> None:
    """Learn from the clips of a prepared folder, and write the table if it foretells better."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("prepared", type=Path, help="folder that `viseme-data prepare` made")
    parser.add_argument("transcripts", type=Path, help="TSV: source start_sec end_sec text")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--voice", default="en-us", help="of espeak-ng, in the clips' language")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        clips = read_spoken(args.prepared, args.transcripts, Voice(name=args.voice))
        logger.info("%s", save_better(clips, VisemeTable.load(PHONETIC_FILE), args.out))
    except (ValueError, ImportError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

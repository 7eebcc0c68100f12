"""The embedded default on people who were left out of its training, by cross-validation.

    python benchmarks/bench_left_out.py FOLDER [--transcripts FILE.tsv] [--not-real NAME ...]
        [--baseline NAME=FOLDER ...] [--also LABEL=DATA ...] [--preset NAME] [--simple]
        [--people-curve N ...] [--out FILE.md]

FOLDER holds `group0`, `group1` and so on, each with `data`, a prepared folder whose split `test`
are the people left out, and `default`, a chain that was trained on the others (`left_out_makers`).
Every clip is measured whole: the opening of the generated mesh's lips, with the clip's identity and
its first frame as the portrait, against that of the landmarks in the picture. The transcripts are
those of `viseme_data.synthetic.transcripts`: `source start_sec end_sec text`. DATA are prepared
clips that no group has seen, such as synthetic speakers; group 0 makes their lips. `--simple`
measures what needs no training and no `default`: loudness, a ridge regression, the mean face; with
`--people-curve` also what the ridge regression learns from N of the people.
"""

import argparse
import itertools
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from left_out_makers import (
    DEFAULT,
    RIDGE,
    TRUE,
    Maker,
    find_groups,
    makers_of,
    open_chain,
    simple_makers,
    usual_control,
)
from left_out_ridge import can_be_heard, curve_table

from viseme_core.types import SAMPLE_RATE_HZ, AudioClip
from viseme_data.synthetic.speech import Voice
from viseme_eval.functional.head import head_range, head_speed
from viseme_eval.run.lip_scores import Curves, Share, lip_scores, shuffled_score
from viseme_eval.run.people import ratio_over_people
from viseme_eval.run.true_clips import TrueClip, read_true_clips, with_closures
from viseme_face import MorphableModel
from viseme_motion.presets import PresetName

AIMS = {
    "lag 0": "0.65",
    "best lag": "0.75",
    "lag 0 in speech": "",
    "spread": "0.8 to 1.25",
    "above 8 Hz": "the true",
    "shuffled": "-0.05 to 0.05",
    "p b m closed": "",
    "anywhere": "the true",
    "of the true": "0.85",
    "of the true, looser": "",
    "pauses closed": "",
    "stay closed": "",
    "blinks/s": "0.28 to 0.5",
}
"""What is measured, in the order of the table, and the aim."""
LEGEND = (
    "Correlations of the lips' opening with the true one, means over clips, as are its deviation "
    "over the true one and the share of its power above 8 Hz; `best lag` within five frames, "
    "`shuffled` with the lips of every other person left out of the same group. `p b m closed`: "
    "share of these sounds at which lips are closed (a tenth of the way from the 5th to the 95th "
    "percentile of the true opening), `anywhere` the same of windows as long anywhere in speech, "
    "`of the true` over the true lips' share, `looser` with a fifth of the way. `pauses closed`: "
    "share of pauses of 0.3 s and more in which lips are closed within 0.2 s, `stay closed`: share "
    "of their frames from then until 0.16 s before their end. In brackets 95% intervals over "
    "people."
)
SURE = 0.9
"""Confidence of the offset of sound and picture from which it counts as sure."""
ANGLES = ("nod", "turn", "tilt")


@dataclass(frozen=True, eq=False)
class Measured:
    """A clip with what everyone made of it."""

    one: TrueClip
    curves: Mapping[str, Curves]
    scores: dict[str, dict[str, Share]] = field(default_factory=dict)


def measure_group(clips: Sequence[TrueClip], makers: Mapping[str, Maker]) -> list[Measured]:
    """Return the clips of people left out of one group with everyone's figures."""
    found = [Measured(one, {name: make(one) for name, make in makers.items()}) for one in clips]
    for measured in found:
        for name, curves in measured.curves.items():
            scores = lip_scores(curves, measured.one)
            strangers = [
                shuffled_score(other.curves[name], measured.one)
                for other in found
                if other.one.row.speaker != measured.one.row.speaker
            ]
            if strangers and not np.isnan(strangers).any():
                scores["shuffled"] = Share(float(np.mean(strangers)))
            measured.scores[name] = scores
    return found


def who_can(makers: Mapping[str, Maker], clips: Sequence[TrueClip]) -> dict[str, Maker]:
    """Return those who can make the lips of all clips: not every clip has what the ridge hears."""
    is_heard = all(can_be_heard(one) for one in clips)
    return {name: make for name, make in makers.items() if is_heard or name != RIDGE}


def score_table(title: str, some: Sequence[Measured]) -> Iterator[str]:
    """Yield the lines of a table of figures: a row for each, a column for everyone."""
    people = [measured.one.row.speaker for measured in some]
    minutes = sum(measured.one.clip.num_frames for measured in some) / 1500
    yield f"\n## {title}: {len(some)} clips of {len(set(people))} people, {minutes:.1f} minutes\n"
    names = list(some[0].scores)
    yield f"| | aim | {' | '.join(names)} |\n|{'---|' * (len(names) + 2)}"
    for key, aim in AIMS.items():
        cells = []
        for name in names:
            shares = [measured.scores[name].get(key, Share(np.nan)) for measured in some]
            tops, bottoms = [share.top for share in shares], [share.bottom for share in shares]
            mean, low, high = ratio_over_people(tops, bottoms, people)
            cells.append("" if np.isnan(mean) else f"{mean:.3f} ({low:.2f} to {high:.2f})")
        if any(cells):
            yield f"| {key} | {aim} | {' | '.join(cells)} |"


def head_table(some: Sequence[Measured]) -> Iterator[str]:
    """Yield the lines of a table of heads and blinks: quartiles over clips."""
    yield "\n## Heads and lids, median over clips (quartiles)\n"
    yield "| | true | default |\n|---|---|---|"
    rows: dict[str, list[str]] = {}
    for name in (TRUE, DEFAULT):
        poses = [measured.curves[name].pose_TC for measured in some]
        known = [pose_TC for pose_TC in poses if pose_TC is not None]
        for what, of in (("speed, deg/s", head_speed), ("range, deg", head_range)):
            values_N3 = torch.stack([of(pose_TC) for pose_TC in known])
            for angle, values_N in zip(ANGLES, values_N3.T, strict=True):
                rows.setdefault(f"{angle}, {what}", []).append(quartiles(values_N))
        blinks = [measured.scores[name]["blinks/s"] for measured in some]
        rates = [share.top / share.bottom for share in blinks if share.bottom]
        rows.setdefault("blinks/s", []).append(quartiles(torch.tensor(rates)))
    yield from (f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())


def quartiles(values_N: torch.Tensor) -> str:
    """Return the median and the quartiles in words."""
    low, middle, high = values_N.double().quantile(torch.tensor([0.25, 0.5, 0.75]).double())
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def speed_table(
    folder: Path, clips: Sequence[TrueClip], seconds: float, threads: Sequence[int]
) -> Iterator[str]:
    """Yield the lines of a table of speed, the audio encoder included."""
    sound_S = torch.cat([one.clip.audio_S for one in clips])[: round(seconds * SAMPLE_RATE_HZ)]
    sound = AudioClip(sound_S)
    yield f"\n## Speed of motion, audio encoder included, {sound.seconds:.0f} s of sound\n"
    yield "| preset | threads | times real time | processor time per second of sound, ms |"
    yield "|---|---|---|---|"
    chain = open_chain(folder)
    for preset, num in itertools.product(dict.fromkeys((chain.preset, "fast")), threads):
        torch.set_num_threads(num)
        motion, control = chain.motion.with_preset(preset), usual_control(chain)
        motion(AudioClip(sound_S[: 2 * SAMPLE_RATE_HZ]), control=control)
        wall, processor = time.perf_counter(), time.process_time()
        motion(sound, control=control)
        processor, wall = time.process_time() - processor, time.perf_counter() - wall
        rate, cost = sound.seconds / wall, 1000 * processor / sound.seconds
        yield f"| {preset} | {num} | {rate:.1f} | {cost:.0f} |"
    torch.set_num_threads(1)


def is_sure(one: TrueClip, not_real: Sequence[str]) -> bool:
    """Return whether a clip is real, as far as is known, and its offset is sure."""
    name = Path(one.row.source).name
    is_real = not any(name.startswith(made) for made in not_real)
    return is_real and one.row.offset_confidence >= SURE


def report(args: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the report."""
    torch.set_num_threads(1)
    model = MorphableModel.builtin()
    if args.simple and (args.baseline or args.preset):
        raise ValueError("--simple measures no chain: leave out --baseline and --preset")
    groups = find_groups(args.folder, has_chains=not args.simple)
    baselines = {name: find_groups(Path(folder)) for name, folder in map(_pair, args.baseline)}
    left_out = [read_true_clips(group / "data") for group in groups]
    if args.transcripts is not None:
        every = [one for clips in left_out for one in clips]
        told = iter(with_closures(every, args.transcripts, Voice(name=args.voice)))
        left_out = [[next(told) for _ in clips] for clips in left_out]
    all_left_out = [one for clips in left_out for one in clips]
    measured: list[Measured] = []
    also: dict[str, list[Measured]] = {}
    for number, (group, clips) in enumerate(zip(groups, left_out, strict=True)):
        others = {name: folders[number] for name, folders in baselines.items()}
        for folder in others.values():
            check_same_people(clips, read_true_clips(folder / "data"), folder)
        makers = (
            simple_makers(group, model)
            if args.simple
            else makers_of(group, others, model, args.preset)
        )
        measured += measure_group(clips, who_can(makers, all_left_out))
        if not number:
            for label, folder in map(_pair, args.also):
                unseen = read_true_clips(Path(folder), "test")
                also[label] = measure_group(unseen, who_can(makers, unseen))
    yield f"# People left out of training\n\n{date_and_machine()}\n\n{LEGEND}"
    tables = {"all": measured}
    tables["real with a sure offset"] = [m for m in measured if is_sure(m.one, args.not_real)]
    tables |= by_language("language", measured)
    for label, some in also.items():
        tables |= by_language(label, some) or {label: some}
    for title, some in tables.items():
        if some:
            yield from score_table(title, some)
    if args.people_curve:
        sure = [[one for one in clips if is_sure(one, args.not_real)] for clips in left_out]
        others = [read_true_clips(group / "data", "train") for group in groups]
        yield from curve_table(list(zip(others, sure, strict=True)), args.people_curve)
    if args.simple:
        return
    yield from head_table(measured)
    yield from speed_table(groups[0] / "default", left_out[0], args.seconds, args.threads)


def check_same_people(ours: Sequence[TrueClip], theirs: Sequence[TrueClip], folder: Path) -> None:
    """Raise ValueError if another cross-validation left other clips out."""
    if {one.row.clip_id for one in ours} - {one.row.clip_id for one in theirs}:
        raise ValueError(
            f"{str(folder)!r} trained on clips that are to be measured: give a baseline whose "
            f"groups leave the same people out"
        )


def by_language(label: str, some: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Return clips by language, as far as the manifest knows it."""
    known = sorted({m.one.row.language for m in some} - {""})
    return {f"{label}: {code}": [m for m in some if m.one.row.language == code] for code in known}


def date_and_machine() -> str:
    """Return when and where this runs."""
    return (
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}."
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not equals or not name or not folder:
        raise ValueError(f"expected NAME=FOLDER, got {text!r}")
    return name, folder


def main() -> None:
    """Print the report, and write it if a file is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="cross-validation folder")
    parser.add_argument("--transcripts", type=Path, help="TSV: source start_sec end_sec text")
    parser.add_argument("--voice", default="en-us", help="of espeak-ng, in their language")
    parser.add_argument("--not-real", nargs="*", default=[], help="beginnings of names of sources")
    parser.add_argument("--baseline", nargs="*", default=[], help="NAME=FOLDER of another one")
    parser.add_argument("--also", nargs="*", default=[], help="LABEL=DATA that nobody saw")
    parser.add_argument("--preset", choices=get_args(PresetName), help="default: the chain's")
    parser.add_argument("--simple", action="store_true", help="only what needs no training")
    parser.add_argument("--people-curve", type=int, nargs="*", default=[], help="numbers of people")
    parser.add_argument("--seconds", type=float, default=60, help="of sound, to time")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2], help="to time with")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.folder is None:
        print("people left out are not measured: give a cross-validation folder")
        return
    lines = []
    try:
        for line in report(args):
            print(line, flush=True)
            lines.append(line)
    except ValueError as error:
        parser.error(str(error))
    if args.out is not None:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

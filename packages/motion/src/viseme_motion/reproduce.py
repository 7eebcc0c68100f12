"""The papers' ablations of motion at a scale that two cores manage, row by row.

    python -m viseme_motion reproduce --out runs/reproduce/motion

One synthetic corpus, one lip expert per system for the sync losses and another one as the judge,
then every row of FD2Talk's tables 2 and 3 and DisentTalk's table IV: trained, tested on speakers
and sentences that it never saw, written to `table.md`. A row that is there is not done again.
"""

import json
import logging
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

CONFIGS = "packages/motion/configs"
SEEDS_OF_KEY_ROWS = 3


@dataclass(frozen=True)
class Row:
    """One line of a paper's table."""

    system: str
    name: str
    """As the paper has it."""
    switches: tuple[str, ...]
    """Command-line switches that make it."""
    seeds: int
    """How many times it is trained."""
    published: str
    """The paper's own numbers for it."""


ROWS = (
    Row("fd2talk", "Full", (), SEEDS_OF_KEY_ROWS, "LSE-C 7.31, SyncNet 6.26, Diversity 0.322"),
    Row(
        "fd2talk",
        "Single Diffusion Transformer",
        ("--model.config.fd2talk.single_transformer=true",),
        SEEDS_OF_KEY_ROWS,
        "LSE-C 3.11, SyncNet 3.08, Diversity 0.193",
    ),
    Row(
        "fd2talk",
        "w/o alignment",
        ("--model.config.fd2talk.alignment=false",),
        SEEDS_OF_KEY_ROWS,
        "LSE-C 4.66, SyncNet 3.97",
    ),
    Row(
        "fd2talk",
        "w/o L_sync",
        ("--model.config.fd2talk.sync=false",),
        SEEDS_OF_KEY_ROWS,
        "LSE-C 5.35, SyncNet 4.63",
    ),
    Row("disenttalk", "Full", (), SEEDS_OF_KEY_ROWS, "LSE-C 6.419, LMD 2.139, Blink 0.249"),
    Row(
        "disenttalk",
        "w/o TEMPORAL",
        ("--model.config.disenttalk.temporal=false",),
        1,
        "LSE-C 5.730, LMD 2.216, Blink 0.055",
    ),
    Row(
        "disenttalk",
        "w/o DISENTANGLE",
        ("--model.config.disenttalk.disentangle=false",),
        1,
        "LSE-C 5.993, LMD 2.243, Blink 0.000",
    ),
    Row(
        "disenttalk",
        "w/o HIERARCHICAL",
        ("--model.config.disenttalk.hierarchical=false",),
        1,
        "LSE-C 5.955, LMD 2.193, Blink 0.006",
    ),
    Row(
        "disenttalk",
        "w/o LOCAL",
        ("--model.config.disenttalk.local=false",),
        1,
        "LSE-C 5.846, LMD 2.276, Blink 0.053",
    ),
    Row(
        "disenttalk",
        "w/o CHDTF",
        ("--data.config.languages=[en]",),
        1,
        "LSE-C 5.389, LMD 2.326, Blink 0.154",
    ),
    Row(
        "disenttalk",
        "w/o SYNCLOSS",
        ("--model.config.disenttalk.sync=false",),
        SEEDS_OF_KEY_ROWS,
        "LSE-C 4.470, LMD 2.380, Blink 0.195",
    ),
)

COLUMNS = {
    "sync_confidence": "sync confidence",
    "sync_accuracy": "in sync",
    "lip_distance": "lip distance",
    "lip_correlation": "lip correlation",
    "blinks_per_sec": "blinks/s",
    "head_diversity": "head diversity (deg)",
}


@dataclass(frozen=True)
class Reproduction:
    """Where rows are trained, and on what."""

    out: Path
    speakers: int = 60
    minutes: float = 60.0
    extra: tuple[str, ...] = ()
    """Further switches for every training, such as `--trainer.max_steps=10`."""

    def run(self) -> Path:
        """Train what is missing and return the table's path."""
        self._make_corpus()
        for system in ("fd2talk", "disenttalk"):
            self._train_expert(system, self._expert(system), seed=0)
        # The judge hears another seed's shifts, so that no row has learned to please it.
        self._train_expert("fd2talk", self._judge, seed=1)
        for row, seed in _runs():
            self._do(row, seed)
        table = self.out / "table.md"
        table.write_text(self.table(), encoding="utf-8")
        return table

    def table(self) -> str:
        """Return the rows that are done, as Markdown."""
        lines = [
            "| system | row | seeds | " + " | ".join(COLUMNS.values()) + " | published |",
            "|---" * (len(COLUMNS) + 4) + "|",
        ]
        for row in ROWS:
            found = [self._scores(row, seed) for seed in range(row.seeds)]
            scores = [one for one in found if one]
            cells = [
                _cell([one[f"test/{key}"] for one in scores if f"test/{key}" in one])
                for key in COLUMNS
            ]
            lines.append(
                f"| {row.system} | {row.name} | {len(scores)} of {row.seeds} | "
                + " | ".join(cells)
                + f" | {row.published} |"
            )
        return "\n".join(lines) + "\n"

    @property
    def _judge(self) -> Path:
        return self.out / "experts" / "judge"

    def _expert(self, system: str) -> Path:
        return self.out / "experts" / system

    def _folder(self, row: Row, seed: int) -> Path:
        name = "".join(c if c.isalnum() else "-" for c in row.name.lower()).strip("-")
        return self.out / "rows" / f"{row.system}_{name}_{seed}"

    def _scores(self, row: Row, seed: int) -> dict[str, float] | None:
        path = self._folder(row, seed) / "test.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def _make_corpus(self) -> None:
        corpus = self.out / "corpus"
        _run(
            "viseme_data",
            "synthesize",
            f"--out={corpus}",
            f"--speakers={self.speakers}",
            f"--minutes={self.minutes}",
            "--languages=en,cmn",
            "--seed=0",
            "--workers=2",
        )

    def _train_expert(self, system: str, folder: Path, *, seed: int) -> None:
        if (folder / "lip-expert.safetensors").is_file():
            return
        self._fit("expert", system, "expert", folder, seed)

    def _do(self, row: Row, seed: int) -> None:
        folder = self._folder(row, seed)
        if (folder / "test.json").is_file():
            logger.info("%s, seed %d: done before", folder.name, seed)
            return
        switches = [f"--model.config.expert={self._expert(row.system)}", *row.switches]
        if not (folder / "motion.safetensors").is_file():
            self._fit("", row.system, "repro", folder, seed, *switches)
        _run(
            "viseme_motion",
            "test",
            f"--config={CONFIGS}/{row.system}/repro.yaml",
            f"--data.config.path={self.out / 'corpus'}",
            f"--run_dir={folder}",
            f"--init_from={folder}",
            f"--model.judge={self._judge}",
            *switches,
        )

    def _fit(
        self, expert: str, system: str, scale: str, folder: Path, seed: int, *switches: str
    ) -> None:
        _run(
            "viseme_motion",
            *filter(None, [expert]),
            "fit",
            f"--config={CONFIGS}/{system}/{scale}.yaml",
            f"--data.config.path={self.out / 'corpus'}",
            f"--run_dir={folder}",
            f"--seed_everything={seed}",
            "--ckpt_path=last",
            *switches,
            *self.extra,
        )


def _runs() -> Iterator[tuple[Row, int]]:
    """Yield rows with seeds, every row once before any for the second time."""
    for seed in range(SEEDS_OF_KEY_ROWS):
        for row in ROWS:
            if seed < row.seeds:
                yield row, seed


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    spread = f" +- {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def _run(module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    logger.info("%s", " ".join(command[1:]))
    subprocess.run(command, check=True)

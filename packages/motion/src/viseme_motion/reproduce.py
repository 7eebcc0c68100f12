"""The papers' ablations of motion at a scale that two cores manage, row by row.

    python -m viseme_motion reproduce --out runs/reproduce/motion

One synthetic corpus, one lip expert per system for the sync losses and another one as the judge,
then every row of FD2Talk's tables 2 and 3 and DisentTalk's table IV: trained, tested on speakers
and sentences that it never saw, written to `table.md`. A row that is there is not done again.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from viseme_core.chores import run_all, run_chore
from viseme_motion.ablations import KEY_SEEDS, ROWS, Row, as_markdown

logger = logging.getLogger(__name__)

# Beside the sources; a wheel has none.
CONFIGS = Path(__file__).parents[2] / "configs"


@dataclass(frozen=True)
class Reproduction:
    """Where rows are trained, and on what."""

    out: Path
    speakers: int = 60
    minutes: float = 60.0
    jobs: int = 1
    """Rows that are trained at once; with more than one, each has one thread."""
    extra: tuple[str, ...] = ()
    """Further switches for every training, such as `--trainer.max_steps=10`."""

    def run(self) -> Path:
        """Train what is missing and return the table's path.

        Raises:
            ValueError: If there are no config files, or a command fails.
        """
        if not CONFIGS.is_dir():
            raise ValueError(
                f"there are no config files in {str(CONFIGS)!r}: this viseme-motion was installed "
                "without its sources; run `viseme-motion reproduce` out of a checkout of the "
                "repository, where it is installed by `make install`"
            )
        self._make_corpus()
        experts = [
            partial(self._train_expert, system, self._expert(system), seed=0)
            for system in ("fd2talk", "disenttalk")
        ]
        # The judge hears another seed's shifts, so that no row has learned to please it.
        experts.append(partial(self._train_expert, "fd2talk", self._judge, seed=1))
        for chores in (experts, [partial(self._do, *run) for run in _runs()]):
            for _ in run_all(chores, jobs=self.jobs):
                pass
        table = self.out / "table.md"
        table.write_text(self.table(), encoding="utf-8")
        return table

    def table(self) -> str:
        """Return all rows, with what is known of those that are done, as Markdown."""
        found = {
            row: [one for one in map(partial(self._scores, row), range(row.seeds)) if one]
            for row in ROWS
        }
        return as_markdown(found)

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
        if not path.is_file():
            return None
        plain = json.loads(path.read_text())
        return {name.removeprefix("test/"): value for name, value in plain.items()}

    def _make_corpus(self) -> None:
        corpus = self.out / "corpus"
        self._run(
            "corpus",
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
        self._run(
            folder.name,
            "viseme_motion",
            "test",
            f"--config={CONFIGS}/{row.system}/repro.yaml",
            f"--data.config.path={self.out / 'corpus'}",
            f"--run_dir={folder}",
            f"--init_from={folder}",
            f"--model.judge={self._judge}",
            # What was trained on less is tested on all, as the rest.
            *(switch for switch in switches if not switch.startswith("--data.")),
        )

    def _fit(
        self, expert: str, system: str, scale: str, folder: Path, seed: int, *switches: str
    ) -> None:
        self._run(
            "-".join(filter(None, [expert, folder.name])),
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

    def _run(self, name: str, module: str, *arguments: str) -> None:
        """Run a command of a row, an expert or the corpus; what it says goes into a log of it."""
        one_thread = self.jobs > 1
        run_chore(name, module, *arguments, logs=self.out / "logs", one_thread=one_thread)


def _runs() -> Iterator[tuple[Row, int]]:
    """Yield rows with seeds, every row once before any for the second time."""
    for seed in range(KEY_SEEDS):
        for row in ROWS:
            if seed < row.seeds:
                yield row, seed

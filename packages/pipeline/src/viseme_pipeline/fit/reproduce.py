"""TalkFormer's ablations at a scale that two cores manage, row by row.

    python -m viseme_pipeline reproduce --out runs/reproduce/talkformer

One synthetic corpus, then every row of tables III and IV: landmark completion and renderer trained
together by the row's switches, tested on speakers that they never saw, and written beside the
paper's figures to `table.md`. Landmark completion has a head start alone: in the steps that a row
has, a renderer would otherwise be given landmarks that say nothing, and learn to leave them alone.
What is there is not done again.

corpus_<scale>/  synthetic speakers
landmarks/       landmark completion alone, for each number of references and of frames
rows/            the joint trainings
logs/            what every command said
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import yaml

from viseme_core.chores import run_all, run_chore
from viseme_pipeline.fit.ablations import ROWS, Row, as_markdown, settings_of, switches_of

logger = logging.getLogger(__name__)

Scale = Literal["tiny", "repro"]
"""`tiny`: to see that all rows run; nothing is learned. `repro`: an hour or two."""
_CORPORA: dict[Scale, tuple[str, ...]] = {
    "tiny": ("--speakers=6", "--minutes=0.4"),
    "repro": (
        "--speakers=200",
        "--minutes=1.0",
        "--languages=en,cmn,de,fr,ja,es",
        "--split_shares=[0.88,0.04,0.08]",
    ),
}

# More steps would take longer and show no more.
_BRIEF = (
    "--trainer.max_steps=20",
    "--trainer.limit_val_batches=0",
    "--trainer.num_sanity_val_steps=0",
    "--data.config.num_workers=0",
)

# Beside the sources; a wheel has none.
CONFIGS = Path(__file__).parents[3] / "configs"
_LANDMARKS = "landmarks."
_SAVE_EVERY = "--save_every=100"
_WINDOWS = 16
"""Windows of a step of a head start, where windows are of as many frames as in the base."""

_WORDS = {
    "tiny": "Scale `tiny`: 20 steps each. That every row trains, saves and is tested is all that "
    "this table shows: nothing in it is learned, and no difference means anything.",
    "repro": "Scale `repro`: 64 px, synthetic speakers, minutes a row where the paper has days of "
    "two A100 on real ones.",
}
_NOISE = """\
PSNR and SSIM are of the lower half, as the paper's. Lips missed: distance of the lips that FaceMesh
finds in drawn pictures from the true ones, over the eyes' distance. Lip correlation: of their
opening with the true one; it stands for SyncScore. Landmarks missed: distance of completed lips, in
mouth widths. LPIPS, FID, CSIM and SyncScore themselves need weights that do not ship with this.
A difference between two rows of one run each can be chance: `--seeds 3` says how large chance is.
"""


@dataclass(frozen=True)
class Reproduction:
    """Where rows are trained, and on what."""

    out: Path
    scale: Scale = "repro"
    seeds: int = 1
    data: Path | None = None
    """Prepared clips; by default synthetic speakers."""
    extra: tuple[str, ...] = ()
    """Further switches for every joint training, such as `--trainer.max_steps=10`."""
    jobs: int = 1
    """Trainings at once; with more than one, each has one thread."""

    def run(self) -> Path:
        """Train what is missing and return the table's path; it is written anew after every row.

        Raises:
            ValueError: If a setting is out of range, there are no config files, or a command fails.
        """
        if self.scale not in get_args(Scale):
            raise ValueError(f"scale must be one of {get_args(Scale)}, got {self.scale!r}")
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
        if self.jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {self.jobs}")
        if not CONFIGS.is_dir():
            raise ValueError(
                f"there are no config files in {str(CONFIGS)!r}: this viseme-pipeline was "
                "installed without its sources; run `viseme reproduce` out of a checkout of the "
                "repository, where it is installed by `make install`"
            )
        self._keep_to_settings()
        self._make_corpus()
        table = self.out / "table.md"
        # One for each, not for each row: most rows begin from the same.
        begun = [partial(self._begin, folder, *run) for folder, run in self._head_starts().items()]
        for _ in run_all(begun, jobs=self.jobs):
            pass
        try:
            for _ in run_all((partial(self._do, *run) for run in self._runs()), jobs=self.jobs):
                table.write_text(self.table(), encoding="utf-8")
        finally:
            table.write_text(self.table(), encoding="utf-8")
        return table

    def table(self) -> str:
        """Return all rows, with what is known of those that are done, as Markdown."""
        found = {}
        for row in ROWS:
            runs = (self._scores(row, seed) for seed in range(self.seeds))
            found[row] = [scores for scores in runs if scores is not None]
        return f"{as_markdown(found, self.seeds)}\n{_WORDS[self.scale]}\n{_NOISE}"

    def _keep_to_settings(self) -> None:
        """Refuse rows of other data or settings, which one table would compare with new ones."""
        path = self.out / f"settings_{self.scale}.json"
        settings = {
            "data": str(self.data) if self.data else None,
            "extra": list(self.extra),
            "recipe": self._recipe(),
        }
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else settings
        if before != settings:
            raise ValueError(
                f"the rows in {str(self.out)!r} were trained with {before}, now {settings} are "
                f"asked for; give the same, or another --out"
            )
        self.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings) + "\n", encoding="utf-8")

    def _recipe(self) -> str:
        """Return a name of all that a scale stands for; what is only said of it has no part."""
        files = (CONFIGS / f"{self.scale}.yaml", CONFIGS / "landmarks" / f"{self.scale}.yaml")
        parts = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
        parts += [_CORPORA[self.scale], [[row.name, *switches_of(row)] for row in ROWS]]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def folder(self, row: Row, seed: int) -> Path:
        """Return where a row's run is kept."""
        name = "".join(c if c.isalnum() else "-" for c in row.name.lower()).strip("-")
        return self.out / "rows" / f"{self.scale}_{name}_{seed}"

    def _runs(self) -> Iterator[tuple[Row, int]]:
        """Yield every row once before any for the second time."""
        for seed in range(self.seeds):
            for row in ROWS:
                yield row, seed

    def _scores(self, row: Row, seed: int) -> dict[str, float] | None:
        path = self.folder(row, seed) / "test.json"
        if not path.is_file():
            return None
        plain = json.loads(path.read_text())
        return {name.removeprefix("test/"): value for name, value in plain.items()}

    def _do(self, row: Row, seed: int) -> None:
        folder = self.folder(row, seed)
        if (folder / "test.json").is_file():
            logger.info("%s: done before", folder.name)
            return
        shared = [
            f"--config={CONFIGS}/{self.scale}.yaml",
            f"--run_dir={folder}",
            f"--data.config.path={self._clips}",
            *switches_of(row),
        ]
        # Beside the stage files, of which the renderer's is written last.
        if not (folder / "render.safetensors").is_file():
            self._run(
                folder.name,
                "viseme_pipeline.fit",
                "fit",
                *shared,
                f"--landmarks_from={self._head_start(row, seed)}",
                f"--seed_everything={seed}",
                f"--data.config.batch_size={row.windows}",
                "--ckpt_path=last",
                _SAVE_EVERY,
                *(_BRIEF if self.scale == "tiny" else ()),
                *self.extra,
            )
        self._run(
            folder.name,
            "viseme_pipeline.fit",
            "test",
            *shared,
            f"--landmarks_from={folder}",
            f"--render_from={folder}",
            "--data.config.batch_size=4",
            "--data.config.evaluation_frames=25",
            f"--trainer.limit_test_batches={1 if self.scale == 'tiny' else 10}",
        )

    @property
    def _clips(self) -> Path:
        return self.data or self.out / f"corpus_{self.scale}"

    def _make_corpus(self) -> None:
        if self.data is None:
            self._run(
                "corpus",
                "viseme_data",
                "synthesize",
                f"--out={self._clips}",
                "--frames=256",
                f"--workers={self.jobs}",
                *_CORPORA[self.scale],
            )

    def _head_start(self, row: Row, seed: int) -> Path:
        """Return where the landmark completion is that a row begins from."""
        settings = settings_of(row)
        references, frames = (
            settings[f"landmarks.num_{name}"] for name in ("references", "frames")
        )
        return self.out / "landmarks" / f"{self.scale}_{references}_{frames}_{seed}"

    def _head_starts(self) -> dict[Path, tuple[Row, int]]:
        """Return all of them, with a row that begins there."""
        return {self._head_start(row, seed): (row, seed) for row, seed in self._runs()}

    def _begin(self, folder: Path, row: Row, seed: int) -> None:
        if (folder / "landmarks.safetensors").is_file():
            logger.info("landmarks/%s: done before", folder.name)
            return
        model = {
            name.removeprefix(_LANDMARKS): value
            for name, value in settings_of(row).items()
            if name.startswith(_LANDMARKS)
        }
        self._run(
            f"landmarks_{folder.name}",
            "viseme_landmarks",
            "fit",
            f"--config={CONFIGS}/landmarks/{self.scale}.yaml",
            f"--run_dir={folder}",
            f"--data.config.path={self._clips}",
            *(f"--model.config.{name}={value}" for name, value in model.items()),
            f"--seed_everything={seed}",
            # As many frames a step with windows of one.
            f"--data.config.batch_size={_WINDOWS * row.windows // ROWS[0].windows}",
            "--ckpt_path=last",
            _SAVE_EVERY,
        )

    def _run(self, name: str, module: str, *arguments: str) -> None:
        logs, one_thread = self.out / "logs", self.jobs > 1
        run_chore(name, module, *arguments, logs=logs, one_thread=one_thread)

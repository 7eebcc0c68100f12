"""The steps from a folder of videos to a shipped chain, each done once.

hearing/     the first blocks of Whisper
prepared/    what `viseme-data prepare` makes of the videos
real/        of that, the clips that can be learned from
varied/      disturbed copies of them
synthetic/   an hour of synthetic speakers, heard by the same blocks
everyone/    listener/  motion/  pose/  default/ (the chain)
group<k>/    the same, and data/, without the people of a group
logs/        what every command said
recipe.json  what all this was made from
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from viseme_core.chores import run_chore
from viseme_data.manifest import kept, read_manifest
from viseme_motion.reproduce import CONFIGS
from viseme_pipeline.default_training.card import write_card
from viseme_pipeline.default_training.people import choose, group_of, leave_out, read_people
from viseme_pipeline.folder import INDEX

logger = logging.getLogger(__name__)

FEATURE = "whisper"
EVERYONE = "everyone"
BLINK_RATE = 0.35
"""Per second, as people blink who speak."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """From what, where to, and how much."""

    videos: Path
    out: Path
    speech: str = "openai/whisper-tiny.en"
    """Folder or hub id of Whisper, a CTranslate2 folder, or a wheel with one."""
    people: Path | None = None
    """See `people.read_people`."""
    groups: int = 0
    """Trainings that each leave out a part of the people; 0 does without."""
    speakers: int = 60
    """Synthetic ones."""
    minutes: float = 60.0
    """How long they speak, all together."""
    seed: int = 11
    workers: int = 2
    one_thread: bool = False
    extra: tuple[str, ...] = ()
    """Further switches for every training, such as `--trainer.max_steps=10`."""

    def __post_init__(self) -> None:
        if self.groups == 1 or self.groups < 0:
            raise ValueError(f"groups must be 0, or at least 2, got {self.groups}")
        if not self.videos.is_dir():
            raise ValueError(f"there is no folder {str(self.videos)!r} of videos")
        if not CONFIGS.is_dir():
            raise ValueError(
                f"there are no config files in {str(CONFIGS)!r}: run this out of a checkout of "
                "the repository, where everything is installed by `make install`"
            )

    def run(self) -> Path:
        """Do what is not done yet and return the folder of the chain that learned from everyone.

        Raises:
            ValueError: If there is nothing to learn from, or a command fails.
        """
        people = read_people(self.people)
        self._keep_to_settings(people)
        self._step("hearing", self.out / "hearing" / "config.json", self._shorten)
        prepared, real = self.out / "prepared", self.out / "real"
        self._step("prepared", prepared / "manifest.parquet", self._prepare)
        self._step("real", real / "manifest.parquet", lambda: choose(prepared, real, people))
        self._step("varied", self.out / "varied" / "manifest.parquet", self._vary)
        self._step("spoken", self.out / "spoken" / "manifest.parquet", self._synthesize)
        self._step("synthetic", self.out / "synthetic" / "manifest.parquet", self._hear)
        self._train(EVERYONE, real, self.out / "varied")
        for group in range(self.groups):
            self._leave_out(group)
        return self.out / EVERYONE / "default"

    def _shorten(self) -> None:
        self._run("hearing", "viseme_motion", "shorten", self.speech, "--out", self._ears)

    def _prepare(self) -> None:
        self._run(
            "prepare",
            "viseme_data",
            "prepare",
            str(self.videos),
            f"--out={self.out / 'prepared'}",
            f"--audio={self._audio}",
            "--need_audio=true",
            f"--workers={self.workers}",
        )

    def _vary(self) -> None:
        real, out = str(self.out / "real"), f"--out={self.out / 'varied'}"
        self._run("vary", "viseme_data", "vary", real, out, f"--workers={self.workers}")

    def _synthesize(self) -> None:
        self._run(
            "synthesize",
            "viseme_data",
            "synthesize",
            f"--out={self.out / 'spoken'}",
            f"--speakers={self.speakers}",
            f"--minutes={self.minutes}",
            "--languages=en,cmn",
            f"--seed={self.seed}",
            "--split_shares=[1,0,0]",
            f"--workers={self.workers}",
        )

    def _hear(self) -> None:
        out, audio = f"--out={self.out / 'synthetic'}", f"--audio={self._audio}"
        self._run("hear", "viseme_data", "hear", str(self.out / "spoken"), out, audio)

    def _leave_out(self, group: int) -> None:
        folder = self.out / f"group{group}"
        rows = kept(read_manifest(self.out / "real"))
        left = {group_of(row.speaker, self.groups) == group for row in rows}
        if left == {False}:
            logger.info("group%d: nobody is in it", group)
            return
        if left == {True}:
            raise ValueError(
                f"all {len(rows)} clips are of the people of group {group}: nobody is left to "
                f"learn from; give videos of more people, or other --groups"
            )
        parts = {"groups": self.groups, "group": group}
        leave_out(self.out / "real", folder / "data", is_tested=True, **parts)
        leave_out(self.out / "varied", folder / "varied", is_tested=False, **parts)
        self._train(folder.name, folder / "data", folder / "varied")

    def _keep_to_settings(self, people: dict[str, str]) -> None:
        """Refuse a folder whose weights were made from something else: a card would lie of them."""
        videos = sorted(
            f"{file.relative_to(self.videos)} {file.stat().st_size}"
            for file in self.videos.rglob("*")
            if file.is_file() and not file.is_relative_to(self.out)
        )
        settings = {
            "videos": hashlib.sha256("\n".join(videos).encode()).hexdigest()[:16],
            "people": people,
            "speech": Path(self.speech).name,
            **{name: getattr(self, name) for name in ("speakers", "minutes", "seed")},
            "extra": list(self.extra),
        }
        path = self.out / "recipe.json"
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        # Groups may come later; other groups would be tested on people whom they were trained on.
        settings["groups"] = self.groups or before.get("groups", 0)
        for name, value in settings.items():
            found = before.get(name, value)
            if found != value and (name != "groups" or found):
                raise ValueError(
                    f"{str(self.out)!r} was made with other {name} ({found!r}, now {value!r}); "
                    f"give the same, or another --out"
                )
        self.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    def _train(self, name: str, real: Path, varied: Path) -> None:
        """Train the three stages and chain them."""
        folder, synthetic = self.out / name, self.out / "synthetic"
        also, spoken = json.dumps([str(varied), str(synthetic)]), json.dumps([str(synthetic)])
        hears = f"--model.config.listener={folder / 'listener'}"
        for stage, command, config, switches, weights in (
            ("listener", ("listener", "fit"), "listener/real", (), "listener.safetensors"),
            ("motion", ("fit",), "disenttalk/real", (hears,), "motion.safetensors"),
            ("pose", ("fit",), "fd2talk/pose", (), "motion.safetensors"),
        ):
            run = folder / stage

            def fit(
                run: Path = run,
                command: tuple[str, ...] = command,
                config: str = config,
                switches: tuple[str, ...] = switches,
            ) -> None:
                self._run(
                    f"{name}-{run.name}",
                    "viseme_motion",
                    *command,
                    f"--config={CONFIGS / config}.yaml",
                    f"--model.config.audio={json.dumps(self._encoder)}",
                    f"--data.config.path={real}",
                    f"--data.config.also={spoken if run.name == 'pose' else also}",
                    "--data.config.num_workers=0",
                    f"--run_dir={run}",
                    "--ckpt_path=last",
                    "--save_every=100",
                    *switches,
                    *self.extra,
                )

            self._step(f"{name}: {stage}", run / weights, fit)
        chain = folder / "default" / INDEX
        self._step(f"{name}: chain", chain, lambda: self._ship(folder, real))

    def _ship(self, folder: Path, real: Path) -> None:
        card = write_card(folder / "card.md", kept(read_manifest(real), "train"), self)
        self._run(
            f"{folder.name}-ship",
            "viseme_pipeline",
            "ship",
            str(folder / "default"),
            f"--motion={folder / 'motion'}",
            f"--pose-from={folder / 'pose'}",
            "--preset=direct",
            f"--blink-rate={BLINK_RATE}",
            "--half",
            f"--card={card}",
        )

    @property
    def _ears(self) -> str:
        return str(self.out / "hearing")

    @property
    def _encoder(self) -> dict[str, str]:
        return {"kind": "whisper", "path": self._ears}

    @property
    def _audio(self) -> str:
        return json.dumps({FEATURE: self._encoder})

    def _step(self, name: str, result: Path, do: Callable[[], object]) -> None:
        """Do a step unless what it leaves is there."""
        if result.exists():
            logger.info("%s: done before", name)
            return
        start = time.monotonic()
        do()
        logger.info("%s: %.0f s", name, time.monotonic() - start)

    def _run(self, name: str, module: str, *arguments: str) -> None:
        logs = self.out / "logs"
        run_chore(name, module, *arguments, logs=logs, one_thread=self.one_thread)

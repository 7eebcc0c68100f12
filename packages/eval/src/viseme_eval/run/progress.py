"""Progress of a run on the terminal: clips, frames per second, time left, failures."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class RunProgress:
    """One line; a context.

    Clips count by their bytes, so that a long one weighs more than a short one.

    Args:
        num_bytes: Of all videos that are still to read.
        num_clips: All pairs.
    """

    def __init__(self, *, num_bytes: int, num_clips: int) -> None:
        self._progress = Progress(
            TextColumn("evaluate"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}/{task.fields[clips]} clips"),
            _Rate(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[failed]} failed"),
            console=Console(stderr=True),
        )
        self._frames = self._done = self._failed = 0
        self._task = self._progress.add_task(
            "evaluate", total=max(num_bytes, 1), clips=num_clips, done=0, failed=0, frames=0
        )

    def look(self, num_frames: int) -> None:
        """Count frames that were read."""
        self._frames += num_frames
        self._progress.update(self._task, frames=self._frames)

    def finish_clip(self, num_bytes: int, *, has_failed: bool) -> None:
        """Count a clip that is through."""
        self._done += 1
        self._failed += has_failed
        self._progress.update(self._task, advance=num_bytes, done=self._done, failed=self._failed)

    def __enter__(self) -> "RunProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the rate over the run so far."""
        seconds = task.elapsed or 0
        return Text(f"{task.fields['frames'] / seconds:.0f} frames/s" if seconds else "- frames/s")

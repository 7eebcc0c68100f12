"""Progress of preparation on the terminal."""

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from viseme_data.manifest import ClipRow

# Frames of the last seconds say more about the next than those of all the run.
_SPEED_SEC = 20.0


class ProgressBar:
    """A line with videos, clips, frames/s, time left and rejects; a context.

    Videos count by their bytes, so that a long one weighs more than a short one.

    Args:
        num_bytes: Of all videos still to prepare.
        num_videos: All videos.
        num_done: Those that were done before.
        rows: Rows of those.
    """

    def __init__(
        self, *, num_bytes: int, num_videos: int, num_done: int, rows: Sequence[ClipRow]
    ) -> None:
        self._progress = Progress(
            TextColumn("prepare"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}/{task.fields[videos]} videos"),
            TextColumn("{task.fields[clips]} clips"),
            _FramesPerSecond(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[rejects]} rejected"),
            console=Console(stderr=True),
            speed_estimate_period=_SPEED_SEC,
        )
        self._frames = 0
        self._task = self._progress.add_task(
            "prepare",
            total=max(num_bytes, 1),
            videos=num_videos,
            done=num_done,
            clips=0,
            rejects=0,
            frames=0,
        )
        self._done, self._clips, self._rejects = num_done, 0, 0
        self._count(rows)

    def look(self, num_frames: int) -> None:
        """Count frames that were looked at."""
        self._frames += num_frames
        self._progress.update(self._task, frames=self._frames)

    def finish_video(self, num_bytes: int, rows: Sequence[ClipRow]) -> None:
        """Count a video that is through."""
        self._done += 1
        self._count(rows)
        self._progress.update(self._task, advance=num_bytes)

    def _count(self, rows: Sequence[ClipRow]) -> None:
        for row in rows:
            self._clips += row.status == "kept"
            self._rejects += row.status == "rejected"
        self._progress.update(self._task, done=self._done, clips=self._clips, rejects=self._rejects)

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


class _FramesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the rate over the run so far."""
        seconds = task.elapsed or 0
        return Text(f"{task.fields['frames'] / seconds:.0f} frames/s" if seconds else "- frames/s")

"""What the page says, as HTML. All that comes from outside is escaped."""

from html import escape

from viseme_pipeline.film import Film
from viseme_pipeline.page.progress import Progress

ERROR = "error"
"""Class of the element that holds a refusal."""


def error_html(text: str) -> str:
    """Return a refusal."""
    return f'<p class="{ERROR}" role="alert">{escape(text)}</p>'


def note_html(text: str) -> str:
    """Return a remark."""
    return f'<p class="note" role="status">{escape(text)}</p>'


def progress_html(progress: Progress) -> str:
    """Return a bar with frames done, rate and time left."""
    if not progress.total:
        return note_html("Looking at the face and listening to the voice ...")
    share = 100 * progress.done / progress.total
    parts = [f"{progress.done} of {progress.total} frames"]
    rate, left = progress.frames_per_sec, progress.left_sec
    if rate is not None and left is not None:
        parts += [f"{rate:.1f} frames/s", f"{duration(left)} left"]
    text = escape(", ".join(parts))
    return (
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}" aria-label="{text}"><div style="width:{share:.1f}%"></div>'
        f'</div><p class="note">{text}</p>'
    )


def duration(seconds: float) -> str:
    """Return a time in words short enough for a bar."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def film_html(film: Film, remark: str = "") -> str:
    """Return what was made and how fast.

    Args:
        film: The film.
        remark: What else is worth knowing.
    """
    width, height = film.size
    return note_html(
        f"Done: {film.seconds:.2f} s, {film.num_frames} frames of {width} x {height}, made at "
        f"{film.frames_per_sec:.1f} frames/s. {remark}".strip()
    )


def marks_html(marks: tuple[str, ...]) -> str:
    """Return what a film carries that says it is generated.

    Args:
        marks: What was read back from its file, a sentence for each mark.
    """
    intro = (
        "Every film says of itself that it is generated: by an invisible watermark in its "
        "pictures and a signed C2PA note in its file. Read back from this one:"
    )
    items = "".join(f"<li>{escape(mark)}</li>" for mark in marks)
    return f'<div class="marks"><p>{escape(intro)}</p><ul>{items}</ul></div>'

from pathlib import Path

from viseme_pipeline.film import Film
from viseme_pipeline.page.progress import Progress
from viseme_pipeline.page.words import duration, error_html, film_html, marks_html, progress_html


def test_progress_says_frames_rate_and_time_left():
    said = progress_html(Progress(done=30, total=120, took_sec=2.0))
    assert "30 of 120 frames, 15.0 frames/s, 6 s left" in said
    assert 'aria-valuenow="25"' in said
    assert "width:25.0%" in said


def test_before_the_first_frame_there_is_no_rate_to_tell():
    said = progress_html(Progress(done=0, total=120, took_sec=0.0))
    assert "0 of 120 frames" in said
    assert "left" not in said
    assert "of 0 frames" not in progress_html(Progress(done=0, total=0, took_sec=0))


def test_names_of_files_cannot_become_part_of_the_page():
    said = error_html("'<script>alert(1)</script>' is no picture")
    assert "<script>" not in said
    assert "&lt;script&gt;" in said


def test_long_times_are_told_in_minutes():
    assert [duration(sec) for sec in (0.2, 59.4, 59.6, 125)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "2 min 5 s",
    ]


def test_what_was_made_is_told_with_its_remark():
    film = Film(path=Path("f.mp4"), num_frames=50, size=(64, 48), took_sec=0.5)
    said = film_html(film, "The voice is silent.")
    assert "2.00 s, 50 frames of 64 x 48, made at 100.0 frames/s. The voice is silent." in said


def test_every_mark_that_was_read_back_is_told():
    said = marks_html(("watermark found in 0.0 to 2.0 s", "provenance by <viseme>"))
    assert said.count("<li>") == 2
    assert "watermark found in 0.0 to 2.0 s" in said
    assert "provenance by &lt;viseme&gt;" in said

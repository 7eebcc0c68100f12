"""The page about a prepared folder tells what is in it, and its pictures show it where it is."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from viseme_core.types import CropBox, Motion
from viseme_data.clips import PreparedClip, write_clip
from viseme_data.coefficients import fitted_points
from viseme_data.inspection.charts import bars, histogram
from viseme_data.inspection.run import InspectConfig, inspect_dataset
from viseme_data.inspection.sheets import contact_sheet
from viseme_data.manifest import ClipRow, read_manifest, write_manifest
from viseme_data.write import VideoWriter
from viseme_face import MorphableModel

T, SIZE = 10, 64
MODEL = MorphableModel.builtin()


def make_clip(clip_id: str, *, shift: float = 0.0) -> PreparedClip:
    motion = Motion(
        expression=torch.zeros(T, 64),
        pose=torch.zeros(T, 6),
        identity=torch.zeros(80),
        face_model=MODEL.name,
    )
    points_TK2 = fitted_points(MODEL, motion) + shift
    seen_T = torch.ones(T, dtype=torch.bool)
    seen_T[-1] = False
    return PreparedClip(
        motion=motion,
        landmarks_TK3=torch.cat([points_TK2, torch.zeros(T, 478, 1)], -1),
        seen_T=seen_T,
        audio_S=torch.zeros(T * 640),
        features={"logmel": torch.zeros(T, 320)},
        crop=CropBox(60, 50, 40),
        size=SIZE,
        clip_id=clip_id,
        speaker="Ann <b>",
        has_audio=False,
    )


def make_video(path: Path, size: tuple[int, int], grey: int = 128) -> None:
    with VideoWriter(path, size, crf=10) as writer:
        for _ in range(T):
            writer.write(np.full((size[1], size[0], 3), grey, np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "prepared"
    (made / "clips").mkdir(parents=True)
    rows = []
    for number in range(3):
        clip = make_clip(f"{number:016x}")
        write_clip(made / "clips" / f"{clip.clip_id}.safetensors", clip)
        make_video(made / "clips" / f"{clip.clip_id}.mp4", (SIZE, SIZE))
        rows.append(
            ClipRow(
                clip_id=clip.clip_id,
                source=f"{number}.mp4",
                status="kept",
                speaker="Ann <b>",
                split="train",
                num_frames=T,
                width=120,
                height=100,
                size=SIZE,
                residual=0.01,
                face_model=MODEL.name,
            )
        )
    bad = ClipRow(
        source="a & b.mp4", status="rejected", reasons=("no_face",), detail="no face was found"
    )
    write_manifest(made / "manifest.parquet", [*rows, bad, replace(bad, source="c.mp4")])
    return made


def test_the_page_tells_clips_speakers_and_every_reject(folder: Path):
    page = inspect_dataset(InspectConfig(folder=str(folder))).read_text()
    assert "5 sources gave 3 clips; 2 were rejected" in page
    assert re.search(r"<th>train<td>3<td>0\.0 min<td>1", page)
    assert re.search(r"<th>val<td>0<td>", page)
    assert "<td>a &amp; b.mp4<td>0<td>no_face<td>no face was found" in page
    assert "Ann &lt;b&gt;" in page
    assert "<b>" not in page
    assert page.count("data:image/jpeg;base64,") == 3


def test_only_so_many_clips_are_shown_and_they_are_spread(folder: Path):
    page = inspect_dataset(InspectConfig(folder=str(folder), clips=2)).read_text()
    captions = re.findall(r"<figcaption>(\d)\.mp4", page)
    assert captions == ["0", "2"]


def test_the_same_folder_gives_the_same_page(folder: Path, tmp_path: Path):
    pages = [
        inspect_dataset(InspectConfig(folder=str(folder), out=str(tmp_path / name))).read_bytes()
        for name in ("one.html", "deep/two.html")
    ]
    assert pages[0] == pages[1]


def test_coefficients_of_another_face_model_are_not_drawn_on_ours(folder: Path):
    def total(rows: list[ClipRow]) -> int:
        write_manifest(folder / "manifest.parquet", rows)
        return len(inspect_dataset(InspectConfig(folder=str(folder))).read_bytes())

    rows = read_manifest(folder)
    # A mesh is hundreds of lines, so a picture of one takes more bytes.
    with_mesh, without = total(rows), total([replace(r, face_model="bfm09@01234567") for r in rows])
    assert with_mesh > 1.2 * without


def test_a_folder_without_a_manifest_is_refused_by_a_sentence(tmp_path: Path):
    with pytest.raises(ValueError, match="there is no manifest"):
        inspect_dataset(InspectConfig(folder=str(tmp_path)))


def colors_near(sheet: np.ndarray, x: float, y: float) -> np.ndarray:
    column, row = round(x), round(y)
    return sheet[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].reshape(-1, 3)


def test_landmarks_are_green_where_seen_and_red_where_guessed(tmp_path: Path):
    clip = make_clip("00")
    make_video(tmp_path / "v.mp4", (SIZE, SIZE))
    side = 200
    sheet = np.asarray(contact_sheet(clip, tmp_path / "v.mp4", num_frames=2, side=side)).astype(int)
    assert sheet.shape == (side, 2 * side, 3)
    for time, left, channel in ((0, 0, 1), (T - 1, side, 0)):
        for point in (13, 152, 33, 70):
            x, y = (clip.landmarks_TK3[time, point, :2] * side).tolist()
            near = colors_near(sheet[:, left : left + side], x, y)
            other = 1 - channel
            assert (near[:, channel] - near[:, other]).max() > 100, (time, point)


def test_pictures_are_the_frames_of_their_landmarks(tmp_path: Path):
    clip = make_clip("00", shift=5.0)
    with VideoWriter(tmp_path / "v.mp4", (SIZE, SIZE), crf=10) as writer:
        for time in range(T):
            writer.write(np.full((SIZE, SIZE, 3), 20 * time, np.uint8))
    sheet = np.asarray(contact_sheet(clip, tmp_path / "v.mp4", num_frames=4, side=SIZE))
    greys = [float(np.median(sheet[:, i * SIZE : (i + 1) * SIZE])) for i in range(4)]
    assert greys == pytest.approx([0, 60, 120, 180], abs=4)


def test_the_mesh_is_drawn_at_the_fitted_points(tmp_path: Path):
    # Landmarks moved away, so that what is blue can only be the fit.
    clip = make_clip("00", shift=5.0)
    make_video(tmp_path / "v.mp4", (SIZE, SIZE))
    with_mesh, without = (
        np.asarray(contact_sheet(clip, tmp_path / "v.mp4", model=model, num_frames=1)).astype(int)
        for model in (MODEL, None)
    )
    x, y = (fitted_points(MODEL, clip.motion)[0, 1] * 224).tolist()
    blue = [
        (colors_near(s, x, y)[:, 2] - colors_near(s, x, y)[:, 0]).max()
        for s in (with_mesh, without)
    ]
    assert blue[0] > 100
    assert blue[1] < 20


def test_the_source_shows_the_crop_where_it_is(tmp_path: Path):
    clip = make_clip("00")
    make_video(tmp_path / "v.mp4", (SIZE, SIZE))
    make_video(tmp_path / "s.mp4", (120, 100), grey=20)
    sheet = contact_sheet(
        clip, tmp_path / "v.mp4", source=(tmp_path / "s.mp4", 3), num_frames=1, side=100
    )
    picture = np.asarray(sheet)[:, :120].astype(int)
    is_yellow = (picture[..., 0] > 150) & (picture[..., 2] < 130)
    rows, columns = np.nonzero(is_yellow)
    # Centre 60, 50 and side 40 in a picture shown at its own size.
    assert (columns.min(), columns.max()) == pytest.approx((40, 80), abs=1.5)
    assert (rows.min(), rows.max()) == pytest.approx((30, 70), abs=1.5)


def test_a_histogram_counts_every_finite_value_once():
    rng = np.random.default_rng(0)
    values = [*rng.normal(size=500).tolist(), float("nan")]
    chart = histogram(values, "x")
    counts = [int(n) for n in re.findall(r"<title>(\d+)</title>", chart)]
    assert sum(counts) == 500
    assert f"median {np.median(values[:-1]):.3g}" in chart
    heights = [float(h) for h in re.findall(r'height="([\d.]+)"><title>', chart)]
    np.testing.assert_allclose(heights, 90 * np.array(counts) / max(counts), atol=0.06)


@pytest.mark.parametrize("values", [[], [float("nan")]])
def test_a_histogram_of_nothing_says_so(values):
    assert "not measured" in histogram(values, "x")


def test_bars_are_as_long_as_their_counts_and_the_rest_is_summed():
    chart = bars({f"n{i}": i for i in range(1, 31)}, "names", most=5)
    widths = [float(w) for w in re.findall(r'width="([\d.]+)" height="[\d.]+"><title>', chart)]
    shown = [float(n) for n in re.findall(r"<title>([\d.]+)</title>", chart)]
    assert shown == [30, 29, 28, 27, sum(range(1, 27))]
    assert widths[1] / widths[0] == pytest.approx(29 / 30, abs=0.01)
    assert "26 others" in chart

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.render.talkformer.small import SIZE, make_batch, make_config, make_model
from viseme_core.checkpoint import StageHeader, save_stage
from viseme_core.config import to_plain
from viseme_core.diffusion import SamplerConfig
from viseme_core.types import Landmarks, VideoClip
from viseme_face.layouts import TALK131
from viseme_render import TalkFormerRenderer
from viseme_render.talkformer.blend import blended
from viseme_render.talkformer.film import draw_films
from viseme_render.talkformer.framing import framed, framed_points
from viseme_render.talkformer.loop import looped
from viseme_render.talkformer.references import References
from viseme_render.talkformer.renderer import Redrawn

SIDE = 48


def scene(frames: int = 8) -> tuple[VideoClip, Landmarks]:
    batch = make_batch(1, frames, side=SIDE)
    return VideoClip(batch.frames_BT3HW[0]), Landmarks(batch.landmarks_BTK2[0], "talk131")


def cut(clip: VideoClip, lengths: list[int]) -> Iterator[VideoClip]:
    return (VideoClip(part) for part in clip.frames_T3HW.split(lengths))


def make_renderer(**options) -> TalkFormerRenderer:
    model = make_model(is_moved=True, window=3)
    return TalkFormerRenderer(model, device="cpu", **options)


@pytest.mark.parametrize("lengths", [[8], [1] * 8, [2, 5, 1], [3, 3, 2]])
def test_how_the_template_is_cut_changes_no_frame(lengths):
    template, landmarks = scene()
    renderer = make_renderer()
    whole = torch.cat(list(renderer(iter([template]), landmarks)))
    assert whole.shape == template.frames_T3HW.shape
    assert torch.equal(torch.cat(list(renderer(cut(template, lengths), landmarks))), whole)


def test_a_film_is_what_the_windows_are_laid_over_the_template():
    template, landmarks = scene()
    renderer = make_renderer()
    found = torch.cat(list(renderer(iter([template]), landmarks)))
    zoom = renderer.model.config.zoom
    pictures = framed(template.frames_T3HW, SIZE, zoom)
    points = framed_points(landmarks.points_TKD, SIDE, zoom)
    drawn = draw_films(renderer.model, pictures[None], points[None], pictures[:1])[0]
    expected = blended(template.frames_T3HW, drawn.clamp(-1, 1), points, zoom)
    torch.testing.assert_close(found, expected)
    assert not torch.equal(found, template.frames_T3HW)


def test_frames_are_drawn_only_as_they_are_asked_for():
    template, landmarks = scene()
    taken = []

    def endless() -> Iterator[VideoClip]:
        while True:
            taken.append(1)
            yield VideoClip(template.frames_T3HW[:1])

    points = landmarks.points_TKD[:1].expand(10_000, -1, -1)
    frames = next(make_renderer()(endless(), Landmarks(points, "talk131")))
    assert len(frames) == len(taken) == 3


def test_any_crop_may_be_the_reference():
    template, landmarks = scene()
    renderer = make_renderer()
    first = torch.cat(list(renderer(iter([template]), landmarks)))
    given = renderer(iter([template]), landmarks, reference_3HW=template.frames_T3HW[0])
    assert torch.equal(torch.cat(list(given)), first)
    other = renderer(iter([template]), landmarks, reference_3HW=template.frames_T3HW[5])
    assert not torch.allclose(torch.cat(list(other)), first, atol=1e-3)


def test_a_template_that_is_too_short_is_refused_with_the_remedy():
    template, landmarks = scene()
    short = VideoClip(template.frames_T3HW[:7])
    with pytest.raises(ValueError, match=r"template has 7 frames, the landmarks 8.*looped\(temp"):
        list(make_renderer()(iter([short]), landmarks))
    film = list(make_renderer()(looped(VideoClip(template.frames_T3HW[:3]), 8), landmarks))
    assert sum(map(len, film)) == 8


def test_landmarks_of_478_points_will_do_and_of_68_will_not():
    template, landmarks = scene()
    mesh = torch.zeros(8, 478, 3)
    mesh[:, list(TALK131), :2] = landmarks.points_TKD
    renderer = make_renderer()
    few = torch.cat(list(renderer(iter([template]), landmarks)))
    many = torch.cat(list(renderer(iter([template]), Landmarks(mesh, "mp478"))))
    assert torch.equal(few, many)
    with pytest.raises(ValueError, match="'dlib68' lacks"):
        next(renderer(iter([template]), Landmarks(torch.zeros(8, 68, 2), "dlib68")))


def test_presets_are_steps_and_unknown_ones_are_refused():
    model = make_model(sampler=SamplerConfig(num_steps=200))
    assert TalkFormerRenderer(model, device="cpu").sampler.num_steps == 200
    fast = TalkFormerRenderer(model, preset="fast", device="cpu").sampler
    assert (fast.solver, fast.num_steps, fast.eta) == ("ddim", 10, 0.0)
    assert TalkFormerRenderer(model, preset="balanced", device="cpu").sampler.num_steps == 50
    own = SamplerConfig(solver="dpm++", num_steps=7)
    assert TalkFormerRenderer(model, preset=own, device="cpu").sampler == own
    with pytest.raises(ValueError, match=r"preset must be one of .*'quick'"):
        TalkFormerRenderer(model, preset="quick", device="cpu")  # type: ignore[arg-type]


def test_presets_never_take_more_steps_than_the_model_was_set_up_for():
    model = make_model(sampler=SamplerConfig(num_steps=2))
    for preset in ("fast", "balanced", "paper"):
        assert TalkFormerRenderer(model, preset=preset, device="cpu").sampler.num_steps == 2


@pytest.mark.parametrize("lengths", [[8], [1] * 8, [2, 5, 1], [4, 0, 4]])
def test_a_stream_of_landmarks_is_the_film_of_all_of_them(lengths):
    template, landmarks = scene()
    renderer = make_renderer()
    whole = torch.cat(list(renderer(iter([template]), landmarks)))
    parts = (Landmarks(part, "talk131") for part in landmarks.points_TKD.split(lengths))
    found = list(renderer.stream(cut(template, [3, 5]), parts))
    crops = template.frames_T3HW
    over, share = (torch.cat([getattr(part, n) for part in found]) for n in Redrawn._fields)
    torch.testing.assert_close(crops + share[:, None] * (over - crops), whole)
    assert [len(part.frames_T3HW) for part in found] == [3, 3, 2]
    assert not share[:, : SIDE // 2 - 4].any()
    assert float(share.max()) > 0.99


def test_a_stream_has_a_seed_of_its_own_and_asks_for_no_frame_too_many():
    template, landmarks = scene()
    films = []
    choices: list[dict[str, Any]] = [{}, {"seed": 0}, {"seed": 5}]
    for options in choices:
        pictures = cut(template, [1] * 8)
        few = iter([Landmarks(landmarks.points_TKD[:4], "talk131")])
        found = list(make_renderer().stream(pictures, few, **options))
        films.append(torch.cat([part.frames_T3HW for part in found]))
        assert len(list(pictures)) == 4
    assert torch.equal(films[0], films[1])
    assert not torch.equal(films[0], films[2])
    short = VideoClip(template.frames_T3HW[:3])
    with pytest.raises(ValueError, match="template has 3 frames, the landmarks more; loop it"):
        list(make_renderer().stream(iter([short]), iter([landmarks])))


def saved(path, model, **config) -> None:
    plain = {
        "system": "talkformer",
        "talkformer": to_plain(make_config(window=3, **config)),
        "face_model": "builtin",
    }
    header = StageHeader(stage="render", system="talkformer", config=plain, layout="talk131")
    save_stage(path, model.state_dict(), header)


def test_a_stage_file_becomes_the_renderer_it_was(tmp_path):
    template, landmarks = scene(4)
    renderer = make_renderer()
    saved(tmp_path / "render.safetensors", renderer.model)
    again = TalkFormerRenderer.from_checkpoint(tmp_path, device="cpu")
    expected = torch.cat(list(renderer(iter([template]), landmarks)))
    assert torch.equal(torch.cat(list(again(iter([template]), landmarks))), expected)


def test_files_of_other_systems_and_other_autoencoders_are_refused(tmp_path):
    path = tmp_path / "render.safetensors"
    save_stage(path, {"x": torch.zeros(1)}, StageHeader(stage="render", system="pirender"))
    with pytest.raises(ValueError, match="pirender"):
        TalkFormerRenderer.from_checkpoint(path)
    saved(path, make_model(), autoencoder_name="autoencoder@01234567")
    with pytest.raises(ValueError, match="trained on latents of 'autoencoder@01234567'"):
        TalkFormerRenderer.from_checkpoint(path)


@pytest.mark.gpu
def test_a_gpu_draws_what_the_cpu_draws():
    template, landmarks = scene()
    here = make_renderer()
    there = TalkFormerRenderer(make_model(is_moved=True, window=3), device="cuda")
    films = [torch.cat(list(r(iter([template]), landmarks))).cpu() for r in (here, there)]
    torch.testing.assert_close(films[0], films[1], atol=1e-2, rtol=0)


def test_each_window_of_a_stream_is_drawn_by_the_reference_nearest_in_pose():
    template, landmarks = scene(6)
    points = landmarks.points_TKD.clone()
    points[3:] += 0.2
    moved = Landmarks(points, "talk131")
    renderer = make_renderer()
    looked = []
    look = renderer.model.look

    def spied(picture):
        looked.append(picture)
        return look(picture)

    renderer.model.look = spied  # type: ignore[method-assign]
    pictures = template.frames_T3HW[[5, 1, 2]]
    poses = Landmarks(torch.stack([points[5], points[0] + 1, points[1]]), "talk131")
    found = list(renderer.stream(iter([template]), [moved], references=References(pictures, poses)))
    # The first window stands where the third reference does, the second where the first does.
    expected = [framed(pictures[k][None], SIZE, renderer.model.config.zoom) for k in (2, 0)]
    assert len(looked) == 2
    for one, other in zip(looked, expected, strict=True):
        torch.testing.assert_close(one, other)
    alone = list(renderer.stream(iter([template]), [moved], references=References(pictures[2:3])))
    assert torch.equal(found[0].frames_T3HW, alone[0].frames_T3HW)
    assert not torch.allclose(found[1].frames_T3HW, alone[1].frames_T3HW, atol=1e-3)

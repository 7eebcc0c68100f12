import torch

from tests.render.talkformer.small import SIZE, make_batch, make_model
from viseme_core.diffusion import SamplerConfig
from viseme_render.talkformer.film import FilmPainter, draw_films


def scene(frames: int = 7, size: int = 1):
    batch = make_batch(size, frames, side=SIZE)
    return batch.frames_BT3HW, batch.landmarks_BTK2, batch.reference_B3HW


def test_the_upper_half_is_the_templates():
    model = make_model(is_moved=True)
    frames, points, reference = scene()
    found = draw_films(model, frames, points, reference)
    # Packing pixels loses nothing: the autoencoder gives back what it was given.
    assert torch.equal(found[..., : SIZE // 2, :], frames[..., : SIZE // 2, :])
    assert not torch.allclose(found[..., SIZE // 2 :, :], frames[..., SIZE // 2 :, :], atol=0.1)


def test_the_lower_half_that_is_given_is_never_looked_at():
    model = make_model(is_moved=True)
    frames, points, reference = scene()
    other = frames.clone()
    other[..., SIZE // 2 :, :] = 0.3
    assert torch.equal(
        draw_films(model, frames, points, reference), draw_films(model, other, points, reference)
    )


def test_two_frames_are_carried_from_window_to_window():
    model = make_model(is_moved=True, window=3)
    frames, points, reference = scene()
    seen = []
    conditions = model.net.conditions
    model.net.conditions = lambda points, look, previous: (
        seen.append(previous) or conditions(points, look, previous)
    )
    film = draw_films(model, frames, points, reference)
    latents = model.encode(film)
    first = model.encode(reference)[:, None].expand(-1, 2, -1, -1, -1)
    for found, expected in zip(seen, (first, latents[:, 1:3], latents[:, 4:6]), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_reference_is_looked_at_once():
    model = make_model(is_moved=True, window=2)
    frames, points, reference = scene()
    looks = []
    look = model.net.look
    model.net.look = lambda latent: looks.append(1) or look(latent)
    draw_films(model, frames, points, reference, sampler=SamplerConfig(num_steps=5))
    assert len(looks) == 1


def test_without_temporal_attention_windows_change_nothing():
    frames, points, reference = scene()
    films = []
    for window in (1, 3, 7):
        model = make_model(is_moved=True, window=window, temp_attn=False).double()
        given = (x.double() for x in (frames, points, reference))
        films.append(draw_films(model, *given))
    torch.testing.assert_close(films[0], films[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(films[0], films[2], atol=1e-6, rtol=0)


def test_noise_is_a_function_of_seed_film_and_frame():
    model = make_model(is_moved=True, temp_attn=False).double()
    frames, points, reference = (x.double() for x in scene(4, 2))
    both = draw_films(model, frames, points, reference, films=[3, 8])
    alone = draw_films(model, frames[1:], points[1:], reference[1:], films=[8])
    torch.testing.assert_close(both[1:], alone, atol=1e-6, rtol=0)
    other = draw_films(model, frames[1:], points[1:], reference[1:], films=[8], seed=1)
    assert not torch.allclose(alone, other, atol=1e-3)


def test_shared_noise_is_the_same_in_all_windows():
    for shared_noise in (False, True):
        model = make_model(shared_noise=shared_noise, window=2)
        frames, points, reference = scene(4)
        starts = []
        sample = model.sample
        model.sample = lambda upper, told, start, *rest, sample=sample, starts=starts: (
            starts.append(start) or sample(upper, told, start, *rest)
        )
        painter = FilmPainter(model, model.look(reference))
        for part in range(2):
            painter(frames[:, 2 * part : 2 * part + 2], points[:, 2 * part : 2 * part + 2])
        noise = torch.cat(starts, 1)[0]
        same = [torch.equal(noise[0], noise[i]) for i in range(1, 4)]
        assert same == [shared_noise] * 3

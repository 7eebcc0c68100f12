"""Files of PIRender's authors: here, files of that form with random weights."""

import pickle

import pytest
import torch

from tests.render.pirender_small import make_motion, make_reference
from viseme_core.checkpoint import save_stage
from viseme_render import FrameRenderer, PIRenderer
from viseme_render.cli import main
from viseme_render.pirender import public
from viseme_render.pirender.config import PIRenderConfig, PIRenderNetConfig
from viseme_render.pirender.net import PIRenderNet
from viseme_render.pirender.public import PUBLIC_CONFIG, read_public

BASEL = "bfm09@01234567"
SMALL = PIRenderConfig(
    net=PIRenderNetConfig(
        size=64, descriptor=16, max_width=8, warp_width=4, warp_down=4, edit_width=4, grid="corners"
    ),
    convention="deep3d",
)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A checkpoint of the authors' form, of narrow networks."""
    monkeypatch.setattr(public, "PUBLIC_CONFIG", SMALL)
    torch.manual_seed(0)
    state = PIRenderNet(SMALL.net).state_dict()
    path = tmp_path / "checkpoint.pt"
    content = {"net_G": state, "net_G_ema": state, "current_iteration": 7, "opt_G": {"state": {}}}
    torch.save(content, path)
    return path, state


def test_public_networks_are_the_published_ones():
    assert PUBLIC_CONFIG.net == PIRenderNetConfig(grid="corners")
    assert PUBLIC_CONFIG.convention == "deep3d"


def test_a_public_checkpoint_becomes_a_renderer_of_the_basel_model(small):
    path, state = small
    renderer = PIRenderer.from_public(path, face_model=BASEL, device="cpu")
    assert all(torch.equal(v, state[k]) for k, v in renderer.model.net.state_dict().items())
    assert not renderer.model.scale.is_set
    reference = make_reference(size=64, face_model=BASEL)
    frames = torch.cat(list(renderer(reference, make_motion(5, face_model=BASEL))))
    assert frames.shape == (5, 3, 64, 64)


def test_motion_and_portraits_of_other_face_models_are_refused_with_a_way_out(small):
    path, _ = small
    renderer = PIRenderer.from_public(path, face_model=BASEL, device="cpu")
    reference = make_reference(size=64, face_model=BASEL)
    with pytest.raises(
        ValueError, match=r"motion\.face_model must be 'bfm09@.*viseme_face\.convert"
    ):
        renderer(reference, make_motion())
    with pytest.raises(ValueError, match=r"reference\.face_model must be 'bfm09@"):
        renderer(make_reference(size=64), make_motion(face_model=BASEL))
    with pytest.raises(ValueError, match=r"must be 'bfm09@\.\.\.', got 'builtin@.*from_basel"):
        PIRenderer.from_public(path, face_model="builtin@01234567")


def test_files_that_are_no_public_checkpoint_are_refused(tmp_path, small):
    path, state = small
    with pytest.raises(ValueError, match="there is no checkpoint"):
        read_public(tmp_path / "nowhere.pt")
    torch.save({"state_dict": state}, path)
    with pytest.raises(ValueError, match="must hold 'net_G_ema', got 'state_dict'"):
        read_public(path)
    torch.save({"net_G_ema": {k: v for k, v in state.items() if "flow_out" not in k}}, path)
    with pytest.raises(ValueError, match=r"does not hold PIRender's generator.*4 missing"):
        read_public(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"fetch it again|damaged"):
        read_public(path)


class _Code:
    def __reduce__(self):
        return (print, ("code was run",))


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    path = tmp_path / "evil.pt"
    torch.save({"net_G_ema": _Code()}, path)
    with pytest.raises(ValueError, match="could run code; nothing was run"):
        read_public(path)
    path.write_bytes(pickle.dumps(_Code()))
    with pytest.raises(ValueError, match=r"nothing was run|cannot be read"):
        read_public(path)
    assert "code was run" not in capsys.readouterr().out


def test_a_public_checkpoint_becomes_a_stage_file(small, tmp_path, monkeypatch, capsys):
    path, _ = small
    monkeypatch.setattr(
        "viseme_render.cli.MorphableModel.from_basel",
        lambda given: type("Basel", (), {"name": BASEL}),
    )
    out = tmp_path / "pirender.safetensors"
    main(["import", str(path), "BFM_model_front.mat", str(out)])
    assert BASEL in capsys.readouterr().out
    renderer = FrameRenderer.from_checkpoint(out, device="cpu")
    assert isinstance(renderer, PIRenderer)
    reference, motion = make_reference(size=64, face_model=BASEL), make_motion(3, face_model=BASEL)
    direct = PIRenderer.from_public(path, face_model=BASEL, device="cpu")
    for one, other in zip(renderer(reference, motion), direct(reference, motion), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(SystemExit):
        main(["import", str(tmp_path / "x.pt"), "BFM_model_front.mat", str(out)])
    assert "there is no checkpoint" in capsys.readouterr().err


def test_a_stage_file_without_a_face_model_is_refused(tmp_path, small):
    from viseme_core.checkpoint import StageHeader
    from viseme_core.config import to_plain
    from viseme_render.config import RenderConfig

    _, state = small
    config = to_plain(RenderConfig(system="pirender", pirender=SMALL))
    header = StageHeader(stage="render", system="pirender", config=config)
    save_stage(tmp_path / "x.safetensors", state, header)
    with pytest.raises(ValueError, match="does not say which face model"):
        FrameRenderer.from_checkpoint(tmp_path / "x.safetensors")

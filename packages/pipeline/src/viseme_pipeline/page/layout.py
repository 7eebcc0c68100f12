"""The page: what stands where, and what its button does."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

from viseme_motion.presets import PresetName
from viseme_pipeline.demo import PORTRAIT, VOICE
from viseme_pipeline.mistakes import is_mendable
from viseme_pipeline.page.checks import MAX_BLINK_RATE, MAX_GAIN, MAX_SEED, sentence
from viseme_pipeline.page.config import ServeConfig
from viseme_pipeline.page.progress import Progress, Stopped
from viseme_pipeline.page.studio import Order, Studio
from viseme_pipeline.page.words import (
    error_html,
    film_html,
    marks_html,
    note_html,
    progress_html,
)

_CLEAN_EVERY_SEC = 60


def build(gr: Any, studio: Studio, config: ServeConfig) -> Any:
    """Return the page as Gradio's blocks.

    Args:
        gr: Gradio, loaded.
        studio: What makes films.
        config: Limits that are told.
    """
    keep_sec = int(config.keep_minutes * 60)
    with gr.Blocks(
        title="viseme", analytics_enabled=False, delete_cache=(_CLEAN_EVERY_SEC, keep_sec)
    ) as blocks:
        gr.HTML(_head(config), elem_id="title")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                picture, voice = _inputs(gr)
                choices = _choices(gr, config)
            with gr.Column(min_width=320):
                with gr.Row():
                    go = gr.Button("Make the face talk", variant="primary", elem_id="go")
                    stop = gr.Button("Stop", elem_id="stop", scale=0, min_width=90)
                said = gr.HTML(elem_id="said")
                film = gr.Video(
                    label="Film",
                    elem_id="film",
                    interactive=False,
                    autoplay=False,
                    buttons=["download"],
                    height=420,
                )
                marks = gr.HTML(elem_id="marks")
        silent = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        # At once, while the order itself may have to wait: it can be stopped from now on.
        go.click(_with_session(gr, studio.expect), None, None, **silent).then(
            _maker(gr, studio),
            [picture, voice, *choices],
            [film, said, marks],
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=[said],
            api_visibility="private",
        )
        stop.click(_with_session(gr, studio.stop), None, None, **silent)
        # Who closes the page does not wait for the film any more.
        blocks.unload(_with_session(gr, studio.stop))
    return blocks


def _head(config: ServeConfig) -> str:
    return (
        "<h1>viseme</h1><p>A face, a voice, a film of the face speaking. Nothing leaves the "
        f"machine that serves this page. Voices of up to {config.max_seconds:g} seconds, files of "
        f"up to {config.max_upload_mb:g} MB, kept for {config.keep_minutes:g} minutes. Ask people "
        "before you let their faces or voices speak.</p>"
    )


def _inputs(gr: Any) -> tuple[Any, Any]:
    picture = gr.Image(
        label="Face",
        type="filepath",
        sources=["upload", "webcam", "clipboard"],
        buttons=[],
        elem_id="face",
        height=300,
    )
    demo_face = gr.Button("Take the demo's portrait", size="sm", elem_id="demo-face")
    voice = gr.Audio(
        label="Voice",
        type="filepath",
        sources=["upload", "microphone"],
        buttons=[],
        elem_id="voice",
    )
    demo_voice = gr.Button("Take the demo's voice", size="sm", elem_id="demo-voice")
    # What was uploaded is judged by us and refused in our words, not decoded by Gradio before.
    for component in (picture, voice):
        component.preprocess = _place
        component.async_move_resource_to_block_cache = _no_address(
            gr, component.async_move_resource_to_block_cache
        )
    given = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    demo_face.click(lambda: str(PORTRAIT), None, picture, **given)
    demo_voice.click(lambda: str(VOICE), None, voice, **given)
    return picture, voice


def _no_address(gr: Any, move: Callable[..., Any]) -> Callable[..., Any]:
    """Return `move`, which brings what is given into the page's folder, but from no other host."""

    async def moved(original: Any) -> Any:
        if isinstance(original, str) and original.lower().startswith(("http:", "https:")):
            raise gr.Error("give a file, not an address")
        return await move(original)

    return moved


def _place(payload: Any) -> str | None:
    return None if payload is None else payload.path


def _choices(gr: Any, config: ServeConfig) -> list[Any]:
    """Return the controls in the order that the button's function takes them."""
    with gr.Accordion("How it moves", open=False, elem_id="choices"):
        gains = [
            gr.Slider(0, MAX_GAIN, 1, step=0.05, label=label, buttons=[])
            for label in ("Lips", "Eyes and lids", "Rest of the face", "Head")
        ]
        own = gr.Checkbox(True, label="Blinks as the model makes them")
        rate = gr.Slider(
            0, MAX_BLINK_RATE, 0.35, step=0.05, label="Blinks per second", visible=False, buttons=[]
        )
        own.change(
            lambda is_own: gr.Slider(visible=not is_own),
            own,
            rate,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        presets = list(get_args(PresetName))
        preset = gr.Radio(presets, value=config.first_preset, label="Effort")
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED)
    return [*gains, own, rate, preset, seed]


def _maker(gr: Any, studio: Studio) -> Callable[..., Iterator[tuple[Any, str, str]]]:
    # Gradio gives the request to what is annotated with its class, which is known here only.
    def make(
        picture: str | None,
        voice: str | None,
        lip: float,
        eye: float,
        rest: float,
        pose: float,
        is_own: bool,
        blink_rate: float,
        preset: str,
        seed: float,
        request: Any,
    ) -> Iterator[tuple[Any, str, str]]:
        order = Order(
            picture=picture,
            voice=voice,
            preset=preset,
            seed=seed,
            lip=lip,
            eye=eye,
            rest=rest,
            pose=pose,
            blink_rate=None if is_own else blink_rate,
        )
        try:
            yield None, note_html("Looking at what was given ..."), ""
            for news in studio.make(order, str(request.session_hash)):
                if isinstance(news, Progress):
                    yield gr.skip(), progress_html(news), ""
                else:
                    yield (
                        str(news.film.path),
                        film_html(news.film, news.remark),
                        marks_html(news.marks),
                    )
        except Stopped:
            yield None, note_html("Stopped; nothing was kept."), ""
        except Exception as error:
            if not is_mendable(error):
                raise
            yield None, error_html(sentence(error)), ""

    make.__annotations__["request"] = gr.Request
    return make


def _with_session(gr: Any, tell: Callable[[str], None]) -> Callable[..., None]:
    """Return what tells a function whose page it was."""

    def told(request: Any) -> None:
        tell(str(request.session_hash))

    told.__annotations__["request"] = gr.Request
    return told

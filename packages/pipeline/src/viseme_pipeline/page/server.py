"""Serving the page: to this machine alone, without a network, leaving nothing behind."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from viseme_pipeline.demo import PORTRAIT, VOICE
from viseme_pipeline.page.config import ServeConfig
from viseme_pipeline.page.layout import build
from viseme_pipeline.page.look import CSS, theme
from viseme_pipeline.page.studio import Studio

logger = logging.getLogger(__name__)

_QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}


def serve(config: ServeConfig) -> None:
    """Serve the page until it is interrupted.

    Raises:
        ImportError: If Gradio is not installed.
        ValueError: If the stages or the address cannot be used.
    """
    # It would tell of every time that Gradio asks its own server.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="viseme-page-") as name, _surroundings(Path(name)):
        gr = load_gradio()
        if not config.is_local:
            logger.warning(
                "--host %s lets other machines in: whoever reaches this one can make films with "
                "it, without a password and without encryption",
                config.host,
            )
        studio = Studio(config, Path(name))
        blocks = build(gr, studio, config)
        blocks.queue(max_size=config.max_waiting, default_concurrency_limit=1, api_open=False)
        try:
            _launch(gr, blocks, config)
            logger.info("the page stands at %s; end it with Ctrl-C", blocks.local_url)
            while True:
                time.sleep(0.5)
        finally:
            studio.stop_all()
            blocks.close(verbose=False)


def load_gradio() -> Any:
    """Return Gradio.

    Raises:
        ImportError: If it is not installed; it says how to.
    """
    try:
        return import_module("gradio")
    except ImportError as error:
        raise ImportError(
            f"the page needs Gradio ({error}); install it by `pip install 'viseme-pipeline[serve]'`"
        ) from error


def _launch(gr: Any, blocks: Any, config: ServeConfig) -> None:
    try:
        blocks.launch(
            server_name=config.host,
            server_port=config.port,
            max_file_size=config.max_upload_bytes,
            # The demo's files, just these: Gradio serves nothing outside the folder it started in.
            allowed_paths=[str(PORTRAIT), str(VOICE)],
            theme=theme(gr),
            css=CSS.read_text(encoding="utf-8"),
            # Never: it would show the page to the world through another's server.
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            inline=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
        )
    except OSError as error:
        raise ValueError(
            f"the page cannot listen on {config.host}, port {config.port} ({error}); give another "
            f"--port"
        ) from error


@contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """Keep Gradio to itself: no network, and its files in a folder that is removed."""
    # It asks its own server whether it stands, which a proxy could not answer.
    # Some libraries read the one name, some the other.
    known = [os.environ.get(name) for name in ("NO_PROXY", "no_proxy")]
    reached = ",".join(filter(None, [*known, "127.0.0.1", "localhost"]))
    wanted = {
        **_QUIET,
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "NO_PROXY": reached,
        "no_proxy": reached,
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

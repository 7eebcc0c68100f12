import logging
import os
from types import SimpleNamespace

import pytest

from viseme_pipeline.page import server
from viseme_pipeline.page.config import ServeConfig


class FakeBlocks:
    """Remembers how it was launched, and is interrupted at once."""

    local_url = "http://here/"

    def __init__(self) -> None:
        self.launched = {}
        self.folders = []
        self.is_closed = False

    def queue(self, **settings):
        self.queued = settings

    def launch(self, **settings):
        self.launched = settings
        self.folders.append(os.environ["GRADIO_TEMP_DIR"])
        self.no_proxy = [os.environ["NO_PROXY"], os.environ["no_proxy"]]
        self.analytics = os.environ["GRADIO_ANALYTICS_ENABLED"]
        raise KeyboardInterrupt

    def close(self, *, verbose):
        self.is_closed = True


@pytest.fixture
def blocks(monkeypatch):
    fake = FakeBlocks()
    monkeypatch.setattr(server, "load_gradio", SimpleNamespace)
    monkeypatch.setattr(server, "theme", lambda gr: None)
    monkeypatch.setattr(server, "build", lambda gr, studio, config: fake)
    monkeypatch.setattr(
        server, "Studio", lambda config, folder: SimpleNamespace(stop_all=lambda: None)
    )
    return fake


def interrupted(config: ServeConfig) -> None:
    with pytest.raises(KeyboardInterrupt):
        server.serve(config)


def test_a_missing_gradio_is_told_with_the_extra_that_brings_it(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(server, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install 'viseme-pipeline\[serve\]'"):
        server.load_gradio()


def test_the_page_is_never_shared_and_never_counted(blocks, monkeypatch):
    monkeypatch.setenv("GRADIO_SHARE", "True")
    interrupted(ServeConfig())
    assert blocks.launched["share"] is False
    assert blocks.launched["server_name"] == "127.0.0.1"
    assert blocks.analytics == "False"
    assert os.environ["GRADIO_SHARE"] == "True"


def test_limits_reach_the_server(blocks):
    interrupted(ServeConfig(max_upload_mb=3, max_waiting=2))
    assert blocks.launched["max_file_size"] == 3_000_000
    assert blocks.queued["max_size"] == 2
    assert blocks.queued["default_concurrency_limit"] == 1


def test_files_go_when_the_page_ends_and_the_surroundings_are_as_before(blocks):
    before = dict(os.environ)
    interrupted(ServeConfig())
    assert blocks.is_closed
    assert not os.path.exists(os.path.dirname(blocks.folders[0]))
    assert dict(os.environ) == before


def test_no_proxy_is_asked_for_this_machine_by_either_name(blocks, monkeypatch):
    monkeypatch.setenv("no_proxy", "intranet")
    monkeypatch.delenv("NO_PROXY", raising=False)
    interrupted(ServeConfig())
    for hosts in blocks.no_proxy:
        assert {"intranet", "127.0.0.1", "localhost"} <= set(hosts.split(","))
    assert os.environ["no_proxy"] == "intranet"
    assert "NO_PROXY" not in os.environ


def test_letting_others_in_is_warned_about(blocks, caplog):
    with caplog.at_level(logging.WARNING):
        interrupted(ServeConfig())
        assert not caplog.records
        interrupted(ServeConfig(host="0.0.0.0"))
    assert "without a password" in caplog.text


def test_a_port_that_is_taken_is_a_sentence(blocks, monkeypatch):
    def taken(**settings):
        raise OSError("Cannot find empty port")

    monkeypatch.setattr(blocks, "launch", taken)
    with pytest.raises(ValueError, match=r"port 7860 .* give another --port"):
        server.serve(ServeConfig())

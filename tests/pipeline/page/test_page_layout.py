import asyncio

import gradio as gr
import pytest

from viseme_pipeline.page.layout import _no_address


@pytest.mark.parametrize("address", ["http://here.example/a.png", "HTTPS://here.example/a.png"])
def test_the_page_fetches_nothing_from_another_host(address):
    moved = []

    async def move(original):
        moved.append(original)
        return original

    guarded = _no_address(gr, move)
    with pytest.raises(gr.Error, match="not an address"):
        asyncio.run(guarded(address))
    assert asyncio.run(guarded("voice.wav")) == "voice.wav"
    assert moved == ["voice.wav"]

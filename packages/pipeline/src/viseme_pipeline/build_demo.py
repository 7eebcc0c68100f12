"""The demo's portrait and voice, made anew: `python -m viseme_pipeline.build_demo`.

The portrait is scikit-image's `astronaut`, a photograph by NASA in the public domain; the voice is
espeak-ng's.
"""

from pathlib import Path

import av
import numpy as np

from viseme_core.types import SAMPLE_RATE_HZ
from viseme_data.synthetic.speech import Voice, synthesizer
from viseme_pipeline.demo import PORTRAIT, VOICE

TEXT = (
    "Hello. I am a photograph, and until a moment ago I had nothing to say. "
    "Give me a voice, and my lips will follow every word. "
    "Pause. And my mouth rests. Then, five brown bears may move by the warm water."
)
SPEAKER = Voice(name="en-us", variant="f3", words_per_minute=155, pitch=48)
_QUALITY = 90


def build(portrait: Path = PORTRAIT, voice: Path = VOICE) -> None:
    """Write the portrait and the voice."""
    import skimage.data
    from PIL import Image

    portrait.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(skimage.data.astronaut()).save(portrait, quality=_QUALITY)
    with synthesizer() as engine:
        samples_S = engine.say(TEXT, SPEAKER).samples_S.numpy()
    write_flac(voice, samples_S)


def write_flac(path: Path, samples_S: np.ndarray) -> None:
    """Write 16 kHz mono as 16-bit FLAC."""
    with av.open(str(path), "w", format="flac", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        ints_1S = np.round(samples_S.clip(-1, 1) * 32_767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(ints_1S, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        if len(samples_S):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    build()

"""Motion window by window while sound comes in; the same however the sound is cut.

Letters: B voices in lockstep, T frames, A audio-feature width, C coefficients.
"""

import torch
from torch import Tensor

from viseme_core.diffusion import SamplerConfig
from viseme_core.draws import Draws
from viseme_core.shapes import check_shape
from viseme_motion.build import MotionModel
from viseme_motion.pose_source import PoseModel
from viseme_motion.request import WindowRequest
from viseme_motion.windows import MotionWindow, WindowConfig, next_window


class MotionStream:
    """Generates coefficients of several voices, window by window.

    It keeps the sound and the motion of one window and nothing else, however long the voices are.

    Args:
        model: Trained model; its device decides where work is done.
        sampler: Solver, steps, guidance.
        seed: Another seed is another motion for the same voice.
        voices: Number of each voice: its noise depends on it and the seed, not on its company.
        windows: Plan to generate by; the one that the model was trained for by default.
        portrait_BC: Expression of the voices' faces at rest; NaN where it is not known.
        start_BTC: Motion of the voices' first frames, where it is known, such as a portrait's; in
            the coefficients' own units. It is not given back.

    Raises:
        ValueError: If there is more of it than a window may begin with.
    """

    def __init__(
        self,
        model: MotionModel | PoseModel,
        sampler: SamplerConfig,
        *,
        seed: int,
        voices: list[int],
        windows: WindowConfig | None = None,
        portrait_BC: Tensor | None = None,
        start_BTC: Tensor | None = None,
    ) -> None:
        self._model = model
        self._plan = windows or model.windows
        self._sampler = sampler
        self._seed = seed
        self._voices = voices
        self._first = 0
        self._settled = 0
        self._is_over = False
        self._portrait_BC = portrait_BC
        self._audio_BTA = model.audio_scale.mean.new_zeros(
            len(voices), 0, len(model.audio_scale.mean)
        )
        self._motion_BTC = torch.zeros(len(voices), 0, model.channels)
        if start_BTC is not None:
            check_shape(start_BTC, f"{len(voices)} T {model.channels}", name="start_BTC")
            if start_BTC.shape[1] > self._plan.known:
                raise ValueError(
                    f"at most {self._plan.known} frames of a window may be known; got "
                    f"{start_BTC.shape[1]} to start from"
                )
            self._motion_BTC = start_BTC.cpu()
            self._settled = start_BTC.shape[1]

    @property
    def heard(self) -> int:
        """Frames of sound so far."""
        return self._first + self._audio_BTA.shape[1]

    def push(self, audio_BTA: Tensor) -> Tensor:
        """Take in the next frames of sound; return the motion that is settled by them, maybe none.

        Args:
            audio_BTA: Audio features.

        Returns:
            Coefficients (B, T, C) in their own units, on the CPU.

        Raises:
            ValueError: If they are of other voices or of another width, or the voices have ended.
        """
        voices, dim = self._audio_BTA.shape[::2]
        check_shape(audio_BTA, f"{voices} T {dim}", name="audio_BTA")
        self._refuse_if_over()
        # A copy: whoever records may use the same memory again.
        self._audio_BTA = torch.cat([self._audio_BTA, audio_BTA.to(self._audio_BTA)], 1)
        return self._go_on(is_end=False)

    def finish(self) -> Tensor:
        """Return the motion of the last frames of sound; nothing can follow.

        Raises:
            ValueError: If the voices have ended already.
        """
        self._refuse_if_over()
        self._is_over = True
        return self._go_on(is_end=True)

    def split(self, rows: list[int]) -> "MotionStream":
        """Return a stream that goes on from here with some of the voices; this one stays as it is.

        Args:
            rows: Which voices, by their place in the batch.
        """
        part = MotionStream(
            self._model,
            self._sampler,
            seed=self._seed,
            voices=[self._voices[row] for row in rows],
            windows=self._plan,
            portrait_BC=None if self._portrait_BC is None else self._portrait_BC[rows],
        )
        part._first, part._settled, part._is_over = self._first, self._settled, self._is_over
        part._audio_BTA = self._audio_BTA[rows]
        part._motion_BTC = self._motion_BTC[rows]
        return part

    def _refuse_if_over(self) -> None:
        if self._is_over:
            raise ValueError("this stream is finished; begin another MotionStream")

    @torch.inference_mode()
    def _go_on(self, *, is_end: bool) -> Tensor:
        plan = self._plan
        settled = [self._motion_BTC[:, :0]]
        while window := next_window(plan, self._settled, self.heard, is_end=is_end):
            settled.append(self._generate(window))
            self._settled = window.settles
            self._forget(max(0, self._settled - plan.known))
        return torch.cat(settled, 1)

    def _generate(self, window: MotionWindow) -> Tensor:
        """Return the frames that a window settles, and remember them."""
        frames = range(window.start, window.stop)
        num_known = window.settled - window.start
        audio_BTA = self._audio_BTA[:, window.start - self._first : window.stop - self._first]
        shape = (len(self._voices), len(frames), self._model.channels)
        known_BTC = torch.zeros(shape)
        known_BTC[:, :num_known] = self._motion_BTC[:, window.start - self._first :]
        is_known_BT = torch.arange(len(frames)).expand(shape[:2]) < num_known
        # A frame begins from the same noise in every window that holds it.
        start_BTC = torch.stack([self._noise(frame) for frame in frames], 1)
        device = audio_BTA.device
        portrait_BC = self._portrait_BC
        asked = WindowRequest(
            audio_BTA=audio_BTA,
            start_BTC=start_BTC.to(device),
            known_BTC=known_BTC.to(device),
            is_known_BT=is_known_BT.to(device),
            sampler=self._sampler,
            draws=Draws(self._seed, window.start, self._voices),
            portrait_BC=None if portrait_BC is None else portrait_BC.to(audio_BTA),
        )
        found_BTC = self._model.sample(asked).cpu()
        new_BTC = found_BTC[:, num_known : window.settles - window.start]
        self._motion_BTC = torch.cat([self._motion_BTC, new_BTC], 1)
        return new_BTC

    def _noise(self, frame: int) -> Tensor:
        draws = Draws(self._seed, frame, self._voices)
        return draws.normal("motion/start", self._model.channels)

    def _forget(self, first: int) -> None:
        """Drop what lies before a frame."""
        self._audio_BTA = self._audio_BTA[:, first - self._first :]
        self._motion_BTC = self._motion_BTC[:, first - self._first :]
        self._first = first


def generate_windows(
    model: MotionModel,
    audio_BTA: Tensor,
    sampler: SamplerConfig,
    *,
    seed: int = 0,
    voices: list[int] | None = None,
    portrait_BC: Tensor | None = None,
    start_BTC: Tensor | None = None,
) -> Tensor:
    """Return the coefficients (B, T, C) of voices of equal length, those to start from included.

    Args:
        model: Trained model.
        audio_BTA: Audio features.
        sampler: Solver, steps, guidance.
        seed: Seed of the noise.
        voices: Number of each voice; 0 to B - 1 by default.
        portrait_BC: Expression of the faces at rest, where it is known.
        start_BTC: Motion of the first frames, where it is known.
    """
    voices = list(range(len(audio_BTA))) if voices is None else voices
    stream = MotionStream(
        model,
        sampler,
        seed=seed,
        voices=voices,
        portrait_BC=portrait_BC,
        start_BTC=start_BTC,
    )
    known = [] if start_BTC is None else [start_BTC.cpu()]
    return torch.cat([*known, stream.push(audio_BTA), stream.finish()], 1)

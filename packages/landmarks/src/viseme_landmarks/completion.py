"""Completion while frames arrive: the same as of all frames at once.

Letters: B batch (1 here), T frames, t frames that come out, R references, K landmarks.
"""

import torch
from torch import Tensor

from viseme_landmarks.model import Given, LandmarkModel


class CompletionStream:
    """Lips and jaws of frames that arrive bit by bit; keeps only what a later window needs.

    Args:
        model: Trained model.
        reference_RK2: Whole faces of the speaker, on the model's device.
    """

    # Frames that are embedded or completed at once: more would need more memory, not less time.
    AT_ONCE = 64

    def __init__(self, model: LandmarkModel, reference_RK2: Tensor) -> None:
        self._model = model
        self._reference_1RK2 = reference_RK2[None]
        with torch.inference_mode():
            self._tokens_1RD = model.embed_references(self._reference_1RK2)
        self._given: Given | None = None
        self._first = 0
        self._num_frames = 0
        self._num_blocks = 0

    def push(self, mel_TMW: Tensor, pose_TK2: Tensor) -> Tensor:
        """Return lips and jaws (t, 57, 2) of the frames that these complete; t is often 0.

        Args:
            mel_TMW: Mel windows of the next frames, shape (T, 80, 16).
            pose_TK2: Their upper faces, shape (T, 74, 2).
        """
        found = [pose_TK2.new_zeros(0, self._model.config.num_content, 2)]
        for mel_tMW, pose_tK2 in zip(
            mel_TMW.split(self.AT_ONCE), pose_TK2.split(self.AT_ONCE), strict=True
        ):
            if len(mel_tMW):
                self._take(mel_tMW, pose_tK2)
                ready = self._model.plan.num_ready(self._num_frames)
                found.append(self._complete(ready))
        return torch.cat(found)

    def finish(self) -> Tensor:
        """Return lips and jaws (t, 57, 2) of the remaining frames."""
        return self._complete(self._model.plan.num_blocks(self._num_frames))

    @torch.inference_mode()
    def _take(self, mel_TMW: Tensor, pose_TK2: Tensor) -> None:
        new = self._model.prepare(mel_TMW[None], pose_TK2[None], self._reference_1RK2)
        if self._given is not None:
            new = Given(*(torch.cat(both, 1) for both in zip(self._given, new, strict=True)))
        self._given = new
        self._num_frames += len(mel_TMW)

    @torch.inference_mode()
    def _complete(self, stop: int) -> Tensor:
        """Return the frames of the blocks before `stop` that have not come out yet."""
        plan = self._model.plan
        found = [self._tokens_1RD.new_zeros(0, self._model.config.num_content, 2)]
        while self._given is not None and self._num_blocks < stop:
            last = min(stop, self._num_blocks + self.AT_ONCE)
            windows = plan.windows(range(self._num_blocks, last), self._num_frames)
            windows = windows._replace(frames_XL=windows.frames_XL - self._first)
            found.append(self._model.complete(self._tokens_1RD, self._given, windows)[0])
            self._num_blocks = last
        self._forget()
        return torch.cat(found)

    def _forget(self) -> None:
        # The last window may still be moved inwards by the voice's end, by less than its length.
        plan = self._model.plan
        needed = self._num_blocks * plan.hop - plan.lead - plan.length
        dropped = max(0, needed - self._first)
        if self._given is not None and dropped:
            # Copies, so that what went before can be freed.
            self._given = Given(*(part[:, dropped:].clone() for part in self._given))
            self._first += dropped

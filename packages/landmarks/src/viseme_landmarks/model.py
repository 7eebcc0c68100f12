"""Landmark completion with its loss (Eq. 2), and over voices of any length.

Letters: B batch, T frames, R references, K landmarks, D width, M W mel bands and columns,
X windows, L frames of a window.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from viseme_core.batches import LandmarkBatch
from viseme_core.draws import Draws
from viseme_core.shapes import check_shape
from viseme_face.layouts import FROM_IP_LAP, TO_IP_LAP
from viseme_landmarks.config import LandmarksConfig
from viseme_landmarks.geometry import Boxes, boxes_around, carry_references
from viseme_landmarks.net import LandmarkNet
from viseme_landmarks.windows import CompletionPlan, Windows


class PointScale(nn.Module):
    """Landmarks in units of their spread around the mean face of the training data.

    Both are buffers, saved with the weights. Until `set` is called it changes nothing.

    Args:
        num_points: Landmarks of a whole face.
    """

    mean_K2: Tensor
    spread: Tensor

    def __init__(self, num_points: int) -> None:
        super().__init__()
        self.register_buffer("mean_K2", torch.zeros(num_points, 2))
        self.register_buffer("spread", torch.ones(()))

    def set(self, mean_K2: Tensor, spread: Tensor | float) -> None:
        """Take over the mean face of the training data, and how far its points lie from it."""
        self.mean_K2.copy_(mean_K2)
        self.spread.copy_(torch.as_tensor(spread).clamp(min=1e-4))

    @property
    def is_set(self) -> bool:
        """Whether `set` was called, here or before it was saved."""
        return bool(self.mean_K2.any() or (self.spread != 1).any())

    def forward(self, points_XK2: Tensor, part: slice = slice(None)) -> Tensor:
        """Return points in units of their spread; `part` says which of a face's they are."""
        return (points_XK2 - self.mean_K2[part]) / self.spread

    def undo(self, scaled_XK2: Tensor, part: slice = slice(None)) -> Tensor:
        """Return points in their own units."""
        return scaled_XK2 * self.spread + self.mean_K2[part]


class Given(NamedTuple):
    """What frames are completed from, as the network takes it, and how to read its answer."""

    sound_BTD: Tensor
    """Tokens of the sound."""
    pose_BTD: Tensor
    """Tokens of the upper face."""
    base_BTK2: Tensor
    """What the heads add to; zeros or one number where there is nothing."""
    low_BT12: Tensor
    """Corner of each frame's box."""
    size_BT12: Tensor
    """Size of each frame's box."""


class LandmarkModel(nn.Module):
    """Completes lips and jaws, and says how wrong they are.

    Args:
        config: Settings.
    """

    def __init__(self, config: LandmarksConfig) -> None:
        super().__init__()
        self.config = config
        self.plan = CompletionPlan(config.num_frames, config.hop)
        self.scale = PointScale(config.num_points)
        self.net = LandmarkNet(config)
        self._content = slice(0, config.num_content)
        self._pose = slice(config.num_content, config.num_points)

    def loss(self, batch: LandmarkBatch, draws: Draws | None = None) -> dict[str, Tensor]:
        """Return the named losses of a batch.

        Args:
            batch: Windows of L frames.
            draws: Not needed: nothing here is random but dropout.

        Returns:
            `loss`: Eq. 2 over the number of its coordinates, 2 L (n_l + n_j), as a mean over the
            samples; padded frames count neither above nor below. `lip` and `jaw`: the same of its
            two parts.
        """
        return self.losses_of(self.predict(batch), batch)

    def losses_of(self, found_BTK2: Tensor, batch: LandmarkBatch) -> dict[str, Tensor]:
        """Return the named losses of lips and jaws that `predict` returned for a batch."""
        error_BTK = (found_BTK2 - batch.target_BTK2).abs().mean(-1)
        error_BTK = error_BTK * batch.mask_BT[..., None]
        # By sample, so that two processes and one agree however much of each is padding.
        error_BK = error_BTK.sum(1) / batch.mask_BT.sum(1, keepdim=True).clamp(min=1)
        lip, jaw = (part.mean() for part in error_BK.split(self._parts, 1))
        return {"loss": error_BK.mean(), "lip": lip, "jaw": jaw}

    @property
    def _parts(self) -> tuple[int, int]:
        """Lip and jaw points of a batch: the convention says how the net divides them, not it."""
        if self.config.convention == "ip_lap":
            return self.config.num_lip + 1, self.config.num_jaw - 1
        return self.config.num_lip, self.config.num_jaw

    def predict(self, batch: LandmarkBatch) -> Tensor:
        """Return lips and jaws, shape (B, T, 57, 2); differentiable.

        Up to L frames are one window; more are completed as a long voice is.
        """
        self._check(batch)
        given = self.prepare(batch.mel_BTMW, batch.pose_BTK2, batch.reference_BNK2)
        tokens_BRD = self.embed_references(batch.reference_BNK2)
        num_frames = batch.mel_BTMW.shape[1]
        if num_frames <= self.config.num_frames:
            return self._read(tokens_BRD, given, batch.mask_BT)
        blocks = range(self.plan.num_blocks(num_frames))
        windows = self.plan.windows(blocks, num_frames)
        return self.complete(tokens_BRD, given, windows, batch.mask_BT)

    def embed_references(self, reference_BRK2: Tensor) -> Tensor:
        """Return one token per whole face, shape (B, R, D)."""
        return self.net.embed_references(self._whole_face(reference_BRK2))

    def prepare(self, mel_BTMW: Tensor, pose_BTK2: Tensor, reference_BRK2: Tensor) -> Given:
        """Return what frames are completed from, each by itself, whatever is around it.

        Args:
            mel_BTMW: Mel windows, shape (B, T, 80, 16).
            pose_BTK2: Upper faces, shape (B, T, 74, 2).
            reference_BRK2: Whole faces, shape (B, R, 131, 2).
        """
        base_BTK2 = pose_BTK2.new_zeros(*pose_BTK2.shape[:2], 1, 1)
        boxes = Boxes(base_BTK2, torch.ones_like(base_BTK2))
        is_public = self.config.convention == "ip_lap"
        if is_public or self.config.base == "references":
            carried_BTK2 = carry_references(
                reference_BRK2[:, :, self._content], reference_BRK2[:, :, self._pose], pose_BTK2
            )
            if is_public:
                # IP_LAP's boxes are around the frames' own lips and jaws: here unknown, there
                # given away.
                around_BTK2 = torch.cat([carried_BTK2, pose_BTK2], 2)
                boxes = boxes_around(around_BTK2, self.config.box_margin)
            if self.config.base == "references":
                base_BTK2 = carried_BTK2
        return Given(
            self.net.embed_sound(mel_BTMW),
            self.net.embed_pose(self.scale(boxes.to_box(pose_BTK2), self._pose)),
            base_BTK2,
            *boxes,
        )

    def complete(
        self, tokens_BRD: Tensor, given: Given, windows: Windows, mask_BT: Tensor | None = None
    ) -> Tensor:
        """Return the kept frames of windows, shape (B, t, 57, 2).

        Args:
            tokens_BRD: Tokens of the references.
            given: What the frames are completed from.
            windows: Windows over these frames.
            mask_BT: True where a frame is real.
        """
        size, device = len(tokens_BRD), tokens_BRD.device
        frames_XL = windows.frames_XL.to(device)
        cut = Given(*(part[:, frames_XL].flatten(0, 1) for part in given))
        repeated_BRD = tokens_BRD.repeat_interleave(len(frames_XL), 0)
        mask_BL = None if mask_BT is None else mask_BT[:, frames_XL].flatten(0, 1)
        found_BXLK2 = self._read(repeated_BRD, cut, mask_BL).unflatten(0, (size, -1))
        return found_BXLK2[:, windows.window_T.to(device), windows.row_T.to(device)]

    def _read(self, tokens_BRD: Tensor, given: Given, mask_BT: Tensor | None) -> Tensor:
        """Return lips and jaws of one window in the crop, in the batch's order."""
        found_BTK2 = self.net.fuse(tokens_BRD, given.sound_BTD, given.pose_BTD, mask_BT)
        if self.config.convention == "ip_lap":
            lip_BTK2, jaw_BTK2 = found_BTK2.split([self.config.num_lip, self.config.num_jaw], 2)
            found_BTK2 = torch.cat([jaw_BTK2, lip_BTK2], 2)[:, :, list(FROM_IP_LAP)]
        boxes = Boxes(given.low_BT12, given.size_BT12)
        if self.config.base == "references":
            return given.base_BTK2 + found_BTK2 * self.scale.spread * boxes.size_X12
        return boxes.from_box(self.scale.undo(found_BTK2, self._content))

    def _whole_face(self, reference_BRK2: Tensor) -> Tensor:
        """Return references as the network takes them."""
        if self.config.convention == "talk131":
            return self.scale(reference_BRK2)
        boxes = boxes_around(reference_BRK2, self.config.box_margin)
        scaled_BRK2 = self.scale(boxes.to_box(reference_BRK2))
        content_BRK2 = scaled_BRK2[:, :, self._content]
        return torch.cat([scaled_BRK2[:, :, self._pose], content_BRK2[:, :, list(TO_IP_LAP)]], 2)

    def _check(self, batch: LandmarkBatch) -> None:
        config = self.config
        sizes = check_shape(batch.mel_BTMW, "B T 80 16", name="LandmarkBatch.mel_BTMW")
        for name, pattern in (
            ("pose_BTK2", f"B T {config.num_pose} 2"),
            ("reference_BNK2", f"B R {config.num_points} 2"),
            ("target_BTK2", f"B T {config.num_content} 2"),
            ("mask_BT", "B T"),
        ):
            values = getattr(batch, name)
            sizes = check_shape(values, pattern, name=f"LandmarkBatch.{name}", sizes=sizes)
        if not sizes["R"]:
            raise ValueError("LandmarkBatch.reference_BNK2 must hold at least one reference")

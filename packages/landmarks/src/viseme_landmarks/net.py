"""The completion network: convolutions to tokens, a transformer over them, two heads.

Letters: B batch, T frames, R references, K landmarks, D width, M W mel bands and columns,
X anything, L positions along a face, U tokens.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from viseme_core.nets import positions
from viseme_landmarks.config import LandmarksConfig

_LEAST_CHANNELS = 4
_POINT_STAGES = 6
_MODALITIES = ("pose", "sound", "reference")


class ConvBlock(nn.Module):
    """Convolution, norm, ReLU.

    Args:
        conv: The convolution.
        norm: What follows it, or None.
        is_residual: Whether what went in is added before the ReLU.
        is_last: Whether tanh takes the place of the ReLU.
    """

    def __init__(
        self,
        conv: nn.Conv1d | nn.Conv2d,
        norm: nn.Module | None,
        *,
        is_residual: bool = False,
        is_last: bool = False,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.Identity() if norm is None else norm
        self.is_residual = is_residual
        self.activation = nn.Tanh() if is_last else nn.ReLU()

    def forward(self, values: Tensor) -> Tensor:
        """Return the block's output."""
        found = self.norm(self.conv(values))
        return self.activation(found + values if self.is_residual else found)


def build_point_encoder(
    num_points: int, dim: int, *, has_norm: bool, last_residuals: int, is_last_residual: bool
) -> nn.Sequential:
    """Return 1-D convolutions along a face's landmarks, (X, 2, K) to (X, D, 1).

    Six stages, each twice as wide as the one before and, as far as needed to come down to three
    positions, half as long; then one convolution over what is left.

    Args:
        num_points: Landmarks K, in an order in which neighbours lie beside each other.
        dim: Width D; the stages are dim / 64 to dim / 2 wide.
        has_norm: Whether batch norm follows each convolution.
        last_residuals: Residual blocks of the last stage; the others have two.
        is_last_residual: Whether the last block is one.
    """
    lengths = [num_points]
    while lengths[-1] > 3 and len(lengths) <= _POINT_STAGES:
        lengths.append((lengths[-1] + 1) // 2)
    num_full = _POINT_STAGES - (len(lengths) - 1)
    strides = [1] * num_full + [2] * (_POINT_STAGES - num_full)
    widths = [max(2 * _LEAST_CHANNELS, dim >> (_POINT_STAGES - n)) for n in range(_POINT_STAGES)]
    residuals = [2] * (_POINT_STAGES - 1) + [last_residuals]

    def block(conv: nn.Conv1d, **options: bool) -> ConvBlock:
        norm = nn.BatchNorm1d(conv.out_channels) if has_norm else None
        return ConvBlock(conv, norm, **options)

    width = max(_LEAST_CHANNELS, dim // 128)
    blocks = [block(nn.Conv1d(2, width, 3, padding=1))]
    for wider, stride, count in zip(widths, strides, residuals, strict=True):
        blocks.append(block(nn.Conv1d(width, wider, 3, stride, padding=1)))
        width = wider
        for _ in range(count):
            blocks.append(block(nn.Conv1d(width, width, 3, padding=1), is_residual=True))
    blocks.append(block(nn.Conv1d(width, dim, lengths[-1])))
    blocks.append(block(nn.Conv1d(dim, dim, 1), is_residual=is_last_residual, is_last=True))
    return nn.Sequential(*blocks)


def build_sound_encoder(dim: int, *, has_norm: bool) -> nn.Sequential:
    """Return 2-D convolutions over mel windows, (X, 1, 80, 16) to (X, D, 1, 1).

    Args:
        dim: Width D; the stages are dim / 16 to dim / 2 wide.
        has_norm: Whether batch norm follows each convolution.
    """
    # Bands 80, 27, 9, 3; columns 16, 16, 6, 3.
    strides = ((1, 1), (3, 1), (3, 3), (3, 2))
    widths = [max(_LEAST_CHANNELS, dim >> shift) for shift in (4, 3, 2, 1)]

    def block(conv: nn.Conv2d, **options: bool) -> ConvBlock:
        norm = nn.BatchNorm2d(conv.out_channels) if has_norm else None
        return ConvBlock(conv, norm, **options)

    width = 1
    blocks = []
    for wider, stride, count in zip(widths, strides, (2, 2, 2, 1), strict=True):
        blocks.append(block(nn.Conv2d(width, wider, 3, stride, padding=1)))
        width = wider
        for _ in range(count):
            blocks.append(block(nn.Conv2d(width, width, 3, padding=1), is_residual=True))
    blocks.append(block(nn.Conv2d(width, dim, 3)))
    blocks.append(block(nn.Conv2d(dim, dim, 1), is_last=True))
    return nn.Sequential(*blocks)


class LandmarkNet(nn.Module):
    """Completes lips and jaws of successive frames.

    One token each for every reference, every frame's sound and every frame's upper face, in this
    order. Tokens of frames know their place by sines, all know their kind by a learned vector; a
    reference has no place. Lips are read off the tokens of sound, jaws off those of the pose.

    Args:
        config: Settings.
    """

    def __init__(self, config: LandmarksConfig) -> None:
        super().__init__()
        dim, has_norm = config.dim, config.norm == "batch"
        self.sound = build_sound_encoder(dim, has_norm=has_norm)
        # The two differ in their last stage because IP_LAP's do, so that its weights fit.
        self.pose = build_point_encoder(
            config.num_pose, dim, has_norm=has_norm, last_residuals=2, is_last_residual=True
        )
        self.reference = build_point_encoder(
            config.num_points, dim, has_norm=has_norm, last_residuals=1, is_last_residual=False
        )
        self.token_norm = nn.LayerNorm(dim)
        self.modality = nn.Embedding(len(_MODALITIES), dim)
        self.dropout = nn.Dropout(config.dropout)
        layer = nn.TransformerEncoderLayer(
            dim, config.num_heads, config.feedforward_dim, config.dropout, batch_first=True
        )
        self.fusion = nn.TransformerEncoder(layer, config.num_layers, enable_nested_tensor=False)
        self.lip = nn.Linear(dim, 2 * config.num_lip)
        self.jaw = nn.Linear(dim, 2 * config.num_jaw)
        _start(self, is_plain=not has_norm)

    def embed_sound(self, mel_BTMW: Tensor) -> Tensor:
        """Return a token per mel window, shape (B, T, D)."""
        return self._tokens(self.sound, mel_BTMW[:, :, None], "sound")

    def embed_pose(self, pose_BTK2: Tensor) -> Tensor:
        """Return a token per upper face, shape (B, T, D)."""
        return self._tokens(self.pose, pose_BTK2.transpose(2, 3), "pose")

    def embed_references(self, reference_BRK2: Tensor) -> Tensor:
        """Return a token per whole face, shape (B, R, D)."""
        return self._tokens(self.reference, reference_BRK2.transpose(2, 3), "reference")

    def fuse(
        self,
        reference_BRD: Tensor,
        sound_BTD: Tensor,
        pose_BTD: Tensor,
        mask_BT: Tensor | None = None,
    ) -> Tensor:
        """Return lips and jaws of one window, shape (B, T, lip + jaw, 2).

        Args:
            reference_BRD: Tokens of the references.
            sound_BTD: Tokens of the sound.
            pose_BTD: Tokens of the pose.
            mask_BT: True where a frame is real; the others are not looked at.
        """
        num_references, num_frames = reference_BRD.shape[1], sound_BTD.shape[1]
        place_TD = _alternating(num_frames, sound_BTD)
        tokens_BUD = torch.cat([reference_BRD, sound_BTD + place_TD, pose_BTD + place_TD], 1)
        ignored_BU = None
        if mask_BT is not None:
            padded_BT = ~mask_BT
            references_BR = padded_BT.new_zeros(len(padded_BT), num_references)
            ignored_BU = torch.cat([references_BR, padded_BT, padded_BT], 1)
        fused_BUD = self.fusion(self.dropout(tokens_BUD), src_key_padding_mask=ignored_BU)
        _, heard_BTD, seen_BTD = fused_BUD.split([num_references, num_frames, num_frames], 1)
        flat_BTC = torch.cat([self.lip(heard_BTD), self.jaw(seen_BTD)], -1)
        return rearrange(flat_BTC, "b t (k two) -> b t k two", two=2)

    def forward(
        self,
        mel_BTMW: Tensor,
        pose_BTK2: Tensor,
        reference_BRK2: Tensor,
        mask_BT: Tensor | None = None,
    ) -> Tensor:
        """Return lips and jaws of one window, shape (B, T, lip + jaw, 2).

        Args:
            mel_BTMW: Mel windows, shape (B, T, 80, 16).
            pose_BTK2: Upper faces, shape (B, T, pose, 2).
            reference_BRK2: Whole faces, shape (B, R, lip + jaw + pose, 2).
            mask_BT: True where a frame is real.
        """
        return self.fuse(
            self.embed_references(reference_BRK2),
            self.embed_sound(mel_BTMW),
            self.embed_pose(pose_BTK2),
            mask_BT,
        )

    def _tokens(self, encoder: nn.Module, values_BT: Tensor, modality: str) -> Tensor:
        embedding_XD = self.token_norm(encoder(values_BT.flatten(0, 1)).flatten(1))
        kind_D = self.modality.weight[_MODALITIES.index(modality)]
        return (embedding_XD + kind_D).unflatten(0, values_BT.shape[:2])


def _alternating(num_frames: int, like: Tensor) -> Tensor:
    """Return embeddings of places, sine and cosine of each frequency beside each other, (T, D)."""
    cos_TH, sin_TH = positions(num_frames, like.shape[-1], like=like).chunk(2, -1)
    return torch.stack([sin_TH, cos_TH], -1).flatten(1)


def _start(net: nn.Module, *, is_plain: bool) -> None:
    """Give weights their first values.

    Args:
        net: The network.
        is_plain: Whether no norm keeps the convolutions' outputs in bounds.
    """
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.MultiheadAttention):
            # The encoder's layers are copies of one another.
            nn.init.xavier_uniform_(module.in_proj_weight)
        elif isinstance(module, ConvBlock) and is_plain:
            conv = module.conv
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
            if module.is_residual:
                # Twelve sums of two equal parts would be 64 times as large.
                conv.weight.data.mul_(0.1)

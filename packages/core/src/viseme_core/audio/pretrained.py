"""HuBERT and wav2vec 2.0 as frozen features, and what Whisper shares with them.

All three give 50 columns per second, averaged in pairs to 25. Every window of the plan is one
plain pass of the model, so what the model computes over its input (the normalisation of the
waveform, group norm, attention, Whisper's loudest band) it computes over the window.

transformers is imported where it is used: users of the mel encoders need not wait for it.

Letters: S samples, T frames, J columns at 50 Hz, A feature width.
"""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from math import prod
from pickle import UnpicklingError
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from viseme_core.audio.config import AudioConfig, PretrainedConfig
from viseme_core.audio.encoder import AudioEncoder
from viseme_core.audio.plan import WindowPlan
from viseme_core.types import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

SAMPLES_PER_COLUMN = SAMPLES_PER_FRAME // 2


class PretrainedEncoder(AudioEncoder):
    """A frozen model from a folder or hub id, loaded on first use.

    Args:
        config: Which model, where it lies, and its window plan.
        device: Where the model runs; features always come back to the CPU.
    """

    unused_weights: tuple[str, ...]
    """How weights begin that are not needed here and may be absent."""

    def __init__(self, config: PretrainedConfig, *, device: torch.device | str = "cpu") -> None:
        super().__init__(config, WindowPlan(config.window, config.context))
        self._kind = config.kind
        self._path = os.path.expanduser(config.path)
        self._layer = config.layer
        self._expected = config.fingerprint
        self._device = torch.device(device)

    @property
    def pinned_config(self) -> AudioConfig:
        """Settings with the hash of the weights; reads them unless it is known."""
        return replace(self.config, fingerprint=self._expected or self._fingerprint)

    @property
    def audio_dim(self) -> int:
        """Width A of the features; reads the model's config.json, not its weights."""
        return self._model_config.hidden_size

    @torch.no_grad()
    def encode_window(self, samples_S: Tensor) -> Tensor:
        """Return the features of one window: the model's columns, averaged in pairs."""
        num_columns = samples_S.shape[0] // SAMPLES_PER_COLUMN
        columns_JA = self._encode_columns(samples_S.to(self._device))
        if columns_JA.shape[0] != num_columns:
            raise ValueError(
                f"audio.path {self._path!r} gives {columns_JA.shape[0]} columns where 50 per "
                f"second make {num_columns}; take a model without an adapter on top"
            )
        return columns_JA.unflatten(0, (-1, 2)).mean(1).cpu()

    @abstractmethod
    def _encode_columns(self, samples_S: Tensor) -> Tensor:
        """Return the chosen hidden state of one window, shape (J, A)."""

    @cached_property
    def _network(self) -> Any:
        """What makes the features, with the weights that the settings name."""
        network = self._read_model().requires_grad_(False).eval().to(self._device)
        if self._expected is not None:
            found = weights_fingerprint(network, self.unused_weights)
            if found != self._expected:
                raise ValueError(
                    f"audio.path {self._path!r} holds other weights than audio.fingerprint names: "
                    f"expected {self._expected!r}, got {found!r}; give the path of the model that "
                    f"these features were made with"
                )
        return network

    @cached_property
    def _fingerprint(self) -> str:
        return weights_fingerprint(self._network, self.unused_weights)

    @cached_property
    def _model_config(self) -> Any:
        from transformers import AutoConfig

        config = self._load(AutoConfig)
        if config.model_type != self._kind:
            raise ValueError(
                f"audio.kind is {self._kind!r}, but audio.path {self._path!r} holds a model of "
                f"type {config.model_type!r}"
            )
        if self._layer is not None and self._layer > config.num_hidden_layers:
            raise ValueError(
                f"audio.layer must be at most {config.num_hidden_layers}, the number of blocks in "
                f"{self._path!r}, got {self._layer}"
            )
        return config

    def _read_model(self) -> Any:
        """Return the model, or say which weights its files lack."""
        from transformers import AutoModel

        model, report = self._load(
            AutoModel, config=self._model_config, dtype=torch.float32, output_loading_info=True
        )
        missing = {key for key in report["missing_keys"] if not key.startswith(self.unused_weights)}
        bad = sorted(missing | {key for key, *_ in report["mismatched_keys"]})
        if bad:
            # transformers fills these with random numbers and only logs it.
            raise ValueError(
                f"audio.path {self._path!r} lacks {len(bad)} weights or has them in another "
                f"shape, first {bad[0]!r}; take the file that belongs to its config.json"
            )
        return model

    def _load(self, auto_class: Any, **options: Any) -> Any:
        # safetensors go first, .bin files are read with weights_only: transformers' own defaults.
        try:
            with _silent_transformers():
                return auto_class.from_pretrained(self._path, **options)
        except (OSError, ValueError, SafetensorError, UnpicklingError) as error:
            raise ValueError(
                f"audio.path {self._path!r} must be a folder with config.json, "
                "preprocessor_config.json and model.safetensors, or a hub id that can be "
                f"reached; {auto_class.__name__} says: {str(error).strip().splitlines()[0]}"
            ) from error


@contextmanager
def _silent_transformers() -> Iterator[None]:
    """Keep transformers from listing decoder weights that nobody misses, and its progress bar."""
    from transformers.utils import logging

    verbosity, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bar:
            logging.enable_progress_bar()


def weights_fingerprint(module: nn.Module, unused: tuple[str, ...] = ()) -> str:
    """Return 16 hex digits that tell a module's weights from any others.

    Names do not count, because transformers renames weights from release to release.

    Args:
        module: What holds the weights, on any device.
        unused: How the names of those begin that do not matter.
    """
    digests = []
    for name, tensor in module.state_dict().items():
        if not name.startswith(unused):
            digest = hashlib.sha256(str(tuple(tensor.shape)).encode())
            digest.update(tensor.cpu().contiguous().numpy())
            digests.append(digest.digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()[:16]


class WaveformEncoder(PretrainedEncoder):
    """HuBERT or wav2vec 2.0: strided convolutions over the waveform, then a transformer."""

    # Only masked pretraining uses it; checkpoints fine-tuned for recognition drop it.
    unused_weights = ("masked_spec_embed",)

    def _encode_columns(self, samples_S: Tensor) -> Tensor:
        if self._preprocessor.do_normalize:
            # Wav2Vec2FeatureExtractor's formula; its 1e-7 keeps silence finite.
            mean, variance = samples_S.mean(), samples_S.var(correction=0)
            samples_S = (samples_S - mean) / torch.sqrt(variance + 1e-7)
        padded_S = F.pad(samples_S, self._margins)
        output = self._network(padded_S[None], output_hidden_states=self._layer is not None)
        if self._layer is None:
            return output.last_hidden_state[0]
        return output.hidden_states[self._layer][0]

    @cached_property
    def _preprocessor(self) -> Any:
        from transformers import AutoFeatureExtractor

        preprocessor = self._load(AutoFeatureExtractor)
        if preprocessor.sampling_rate != SAMPLE_RATE_HZ:
            raise ValueError(
                f"audio.path {self._path!r} wants sound at {preprocessor.sampling_rate} Hz; take "
                f"a model for {SAMPLE_RATE_HZ} Hz"
            )
        return preprocessor

    @cached_property
    def _margins(self) -> tuple[int, int]:
        """Zeros left and right with which n frames give exactly 2 n columns.

        The convolutions turn S samples into (S - reach) / stride + 1 columns.
        """
        kernels, strides = self._model_config.conv_kernel, self._model_config.conv_stride
        stride = prod(strides)
        if stride != SAMPLES_PER_COLUMN:
            raise ValueError(
                f"audio.path {self._path!r} gives a column every {stride} samples; take a model "
                f"with one every {SAMPLES_PER_COLUMN} (50 Hz)"
            )
        reach = 1 + sum((kernel - 1) * prod(strides[:i]) for i, kernel in enumerate(kernels))
        margin = reach - stride
        return margin // 2, margin - margin // 2

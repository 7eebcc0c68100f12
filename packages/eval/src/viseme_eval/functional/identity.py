"""Who a face is and what it shows: cosines of embeddings, agreement of attributes, accuracy.

Embeddings and logits come from networks of the caller's choice. A row that holds NaN stands for a
frame without a face and is left out. Letters: T frames, D width of the embeddings, C classes.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

Inputs = Literal["logits", "features"]
"""What a classifier hands over: numbers before softmax, or an embedding."""
Unit = Literal["frame", "clip"]
"""What has one answer: every frame, or the clip."""


def embedding_similarity(generated: Tensor, reference: Tensor) -> Tensor:
    """Return the mean cosine of embeddings, -1 to 1.

    1/T sum_t g_t . r_t / (||g_t|| ||r_t||). With ArcFace's embeddings this is CSIM (TalkFormer
    Table I), with a 3DMM's identity coefficients ImagineID's Shape (Table 1).

    Args:
        generated: Embeddings of generated frames (T, D), or one of the clip (D,).
        reference: Embeddings of the same real frames (T, D), or one of the person (D,) that every
            frame is compared with.

    Returns:
        0-dimensional float64; NaN where no frame has two embeddings that are not zero.
    """
    g_TD, r_TD = _rows(generated, reference)
    lengths_T = g_TD.norm(dim=-1) * r_TD.norm(dim=-1)
    cosine_T = (g_TD * r_TD).sum(-1) / lengths_T
    # 0 / 0 is NaN, but 1e-200 / 0 would be infinite.
    return torch.where(lengths_T > 0, cosine_T, torch.nan).clamp(-1, 1).nanmean()


def attribute_similarity(
    generated: Tensor, reference: Tensor, *, inputs: Inputs = "logits"
) -> Tensor:
    """Return the mean cosine of what a classifier says of both faces.

    ImagineID's Age, Gender and Emotion (Table 1) are "cosine similarity of semantics"; of which of
    the classifier's numbers it does not say. Ours are the probabilities softmax(logits), so that
    the score is 0 to 1 whatever the logits' scale; `features` takes an embedding as it is.

    Args:
        generated: Logits of generated frames (T, C), or of the clip (C,).
        reference: Logits of the same real frames (T, C), or of the person (C,).
        inputs: What is given.

    Returns:
        0-dimensional float64; NaN where no frame is known.
    """
    if inputs not in get_args(Inputs):
        raise ValueError(f"inputs must be one of {get_args(Inputs)}, got {inputs!r}")
    if inputs == "logits":
        generated, reference = (x.double().softmax(-1) for x in (generated, reference))
    return embedding_similarity(generated, reference)


def label_accuracy(logits: Tensor, label: Tensor | int, *, per: Unit = "frame") -> Tensor:
    """Return how often a classifier sees what the clip should show, 0 to 1.

    With an emotion classifier this is EACC, emotion accuracy. ImagineID's Table 2 gives EACC with
    an arrow down and about 0.1 for every method: an error, which 1 - EACC is comparable with at
    best.

    Args:
        logits: Logits of the clip's frames (T, C), or of the clip (C,).
        label: Class of the clip, or of every frame (T,).
        per: `frame` is the share of frames that are right; `clip` is 1 or 0, from the mean of the
            frames' probabilities, and takes one label.

    Returns:
        0-dimensional float64; NaN where no frame is known.
    """
    if per not in get_args(Unit):
        raise ValueError(f"per must be one of {get_args(Unit)}, got {per!r}")
    rows_TC = torch.atleast_2d(logits).double()
    labels_T = torch.as_tensor(label, device=rows_TC.device)
    if labels_T.ndim > 0 and (per == "clip" or len(labels_T) != len(rows_TC)):
        raise ValueError(
            f"label must be one class or, per frame, one for each of {len(rows_TC)} rows of "
            f"logits, got {len(labels_T)} labels with per={per!r}"
        )
    if labels_T.is_floating_point() or bool(
        ((labels_T < 0) | (labels_T >= rows_TC.shape[1])).any()
    ):
        raise ValueError(f"label must be integers of 0 to {rows_TC.shape[1] - 1}, got {label}")
    known_T = ~rows_TC.isnan().any(-1)
    labels_T = labels_T.expand(len(rows_TC))[known_T]
    rows_TC = rows_TC[known_T]
    if per == "clip" and len(rows_TC) > 0:
        rows_TC, labels_T = rows_TC.softmax(-1).mean(0, keepdim=True), labels_T[:1]
    return (rows_TC.argmax(-1) == labels_T).double().mean()


def _rows(generated: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    g_TD, r_TD = torch.atleast_2d(generated).double(), torch.atleast_2d(reference).double()
    is_one = reference.ndim == 1
    if g_TD.ndim != 2 or r_TD.ndim != 2 or g_TD.shape[1] != r_TD.shape[1]:
        raise ValueError(
            f"embeddings must have shape (T, D) or (D,) with one D, got {tuple(generated.shape)} "
            f"and {tuple(reference.shape)}"
        )
    if not is_one and len(g_TD) != len(r_TD):
        raise ValueError(
            f"generated and reference embeddings must be of the same frames, got {len(g_TD)} and "
            f"{len(r_TD)}; give one reference as (D,) to compare every frame with it"
        )
    return g_TD, r_TD.expand_as(g_TD)

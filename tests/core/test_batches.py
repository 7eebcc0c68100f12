from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from viseme_core.batches import JointBatch, LandmarkBatch, MotionBatch, RenderBatch

# Names as every stage, data set and checkpoint of this project spells them.
CONTRACT: dict[type[Any], list[str]] = {
    MotionBatch: ["expression_BTC", "pose_BT6", "identity_BI", "audio_BTA", "mask_BT", "index_B"],
    LandmarkBatch: [
        "mel_BTMW",
        "pose_BTK2",
        "reference_BNK2",
        "target_BTK2",
        "mask_BT",
        "index_B",
    ],
    RenderBatch: [
        "frames_BT3HW",
        "reference_B3HW",
        "motion_window_BTWC",
        "landmarks_BTK2",
        "previous_B23HW",
        "index_B",
    ],
    JointBatch: ["landmark", "render"],
}


def make_sample(kind: type[Any], index: int) -> Any:
    if kind is JointBatch:
        return JointBatch(make_sample(LandmarkBatch, index), make_sample(RenderBatch, index))
    tensors = [torch.full((2, 3), float(index)) for _ in kind._fields[:-1]]
    return kind(*tensors, torch.tensor(index))


@pytest.mark.parametrize("kind", CONTRACT)
def test_fields_are_those_of_the_contract_in_its_order(kind: Any) -> None:
    assert list(kind._fields) == CONTRACT[kind]


@pytest.mark.parametrize("kind", CONTRACT)
def test_default_collation_stacks_samples_into_the_same_type(kind: Any) -> None:
    batch = default_collate([make_sample(kind, 4), make_sample(kind, 9)])
    assert type(batch) is kind
    parts = batch if kind is JointBatch else (batch,)
    wanted = (LandmarkBatch, RenderBatch) if kind is JointBatch else (kind,)
    for part, part_kind in zip(parts, wanted, strict=True):
        assert type(part) is part_kind
        assert part.index_B.tolist() == [4, 9]
        assert part[0].shape == (2, 2, 3)
        assert part[0][:, 0, 0].tolist() == [4, 9]


def test_a_data_loader_yields_batches_without_code_of_ours() -> None:
    samples = [make_sample(JointBatch, index) for index in range(4)]
    batches = list(DataLoader(samples, batch_size=2))  # type: ignore[arg-type]
    assert [batch.render.index_B.tolist() for batch in batches] == [[0, 1], [2, 3]]


def test_every_field_of_a_single_stage_batch_is_said_to_be_a_tensor() -> None:
    for kind in (MotionBatch, LandmarkBatch, RenderBatch):
        assert set(kind.__annotations__.values()) == {torch.Tensor}

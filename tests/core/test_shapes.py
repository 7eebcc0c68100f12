import pytest
import torch

from viseme_core.shapes import check_shape


def test_letters_bind_to_the_sizes_of_the_tensor() -> None:
    assert check_shape(torch.zeros(2, 7, 3, 5, 4), "B T 3 H W", name="x") == {
        "B": 2,
        "T": 7,
        "H": 5,
        "W": 4,
    }


def test_letters_bound_before_must_agree_and_are_passed_on() -> None:
    sizes = check_shape(torch.zeros(2, 7), "B T", name="mask")
    assert check_shape(torch.zeros(2, 7, 9), "B T A", name="audio", sizes=sizes)["A"] == 9
    with pytest.raises(ValueError, match=r"audio must have .* with T = 7, got \(2, 6, 9\)"):
        check_shape(torch.zeros(2, 6, 9), "B T A", name="audio", sizes=sizes)
    assert sizes == {"B": 2, "T": 7}


def test_a_letter_used_twice_must_agree_with_itself() -> None:
    assert check_shape(torch.zeros(4, 4), "H H", name="square") == {"H": 4}
    with pytest.raises(ValueError, match=r"square must have shape \(H, H\) with H = 4"):
        check_shape(torch.zeros(4, 5), "H H", name="square")


def test_wrong_number_of_dimensions_names_tensor_pattern_and_shape() -> None:
    with pytest.raises(ValueError, match=r"^pose must have shape \(T, 6\), got \(6,\)$"):
        check_shape(torch.zeros(6), "T 6", name="pose")


def test_wrong_fixed_size_is_said_once() -> None:
    with pytest.raises(ValueError, match=r"^pose must have shape \(T, 6\), got \(9, 5\)$"):
        check_shape(torch.zeros(9, 5), "T 6", name="pose")


def test_empty_dimensions_bind_like_any_other() -> None:
    assert check_shape(torch.zeros(0, 6), "T 6", name="pose") == {"T": 0}

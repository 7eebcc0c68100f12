"""Which frames stand for a speaker, and a template that runs back and forth."""

import torch

from viseme_core.types import Landmarks
from viseme_face.layouts import TALK131
from viseme_landmarks.references import choose_references


def template(openings: list[float]) -> Landmarks:
    """Return faces that differ only in how far their inner lips are apart."""
    points = torch.rand(1, 131, 2).repeat(len(openings), 1, 1)
    points[:, TALK131.index(13)] = 0.5
    points[:, TALK131.index(14)] = 0.5
    points[:, TALK131.index(14), 1] += torch.tensor(openings)
    return Landmarks(points, "talk131")


def test_references_go_from_the_most_closed_mouth_to_the_most_open():
    openings = [0.3, 0.0, 0.1, 0.5, 0.2, 0.4]
    faces = template(openings)
    chosen = choose_references(faces, 6).points_TKD
    gaps = chosen[:, TALK131.index(14), 1] - chosen[:, TALK131.index(13), 1]
    torch.testing.assert_close(gaps, torch.tensor(sorted(openings)))
    three = choose_references(faces, 3).points_TKD
    torch.testing.assert_close(three, chosen[[0, 2, 5]])


def test_one_reference_is_of_the_middle_and_a_short_template_repeats():
    one = choose_references(template([0.4, 0.0, 0.2]), 1).points_TKD
    gap = one[0, TALK131.index(14), 1] - one[0, TALK131.index(13), 1]
    torch.testing.assert_close(gap, torch.tensor(0.2))
    assert choose_references(template([0.1, 0.2]), 5).num_frames == 5


def test_references_of_the_whole_mesh_are_those_of_its_131_points():
    mesh = torch.rand(7, 478, 3)
    whole = choose_references(Landmarks(mesh, "mp478"), 4).points_TKD
    part = choose_references(Landmarks(mesh[:, list(TALK131)], "talk131"), 4).points_TKD
    assert torch.equal(whole, part)

"""Hair: a cap on the skull from the hairline to the nape, and curtains that hang from it."""

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from viseme_face.head_shape import SKULL_END, HeadShape, Skull
from viseme_face.surfaces import HAIR, STRANDS, Surfaces, close_sides, spread

_RINGS = 10


def add_cap(parts: Surfaces, face_K3: Tensor, shape: HeadShape) -> None:
    """Hair on the skull: a shell that begins at the hairline."""
    skull = Skull(face_K3, refine=2)
    num_columns = len(skull.side_C)
    generator = torch.Generator().manual_seed(shape.seed)
    column_C = torch.linspace(-1, 1, num_columns)
    over_ear_C = ((column_C.abs() - 0.7) / 0.15).clamp(0, 1)
    uneven_C = torch.randn(num_columns, generator=generator).clamp(-1.5, 1.5)
    # Temples recede more than the middle of the forehead.
    recede_C = shape.hairline * (1 + 0.8 * torch.exp(-(((column_C.abs() - 0.45) / 0.2) ** 2)))
    parting_C = shape.parting * torch.exp(-(((column_C - 0.3) / 0.25) ** 2))
    start_C = skull.start_C + recede_C + parting_C + 0.6 * shape.roughness * uneven_C
    # Beside the face hair begins at the temples, above the ears.
    start_C = torch.maximum(start_C, 0.05 + 0.15 * over_ear_C)
    share_R = torch.linspace(0, 1, _RINGS) ** 1.3
    angle_RC = torch.lerp(start_C[None], torch.tensor(SKULL_END), share_R[:, None])
    grid_RC3 = skull.at(angle_RC)
    outward_RC3 = F.normalize((grid_RC3 - skull.centre_3) / skull.half_3**2, dim=-1)
    # Full at once behind the hairline, tucked in at the nape.
    rise_R = torch.ones(_RINGS)
    rise_R[:3], rise_R[-2:] = torch.tensor([0.0, 0.65, 0.95]), torch.tensor([0.6, 0.0])
    height_C = 0.35 + 0.65 * (1 - column_C**4) - 0.5 * (parting_C - shape.parting / 2)
    bumps_RC = torch.randn(_RINGS, num_columns, generator=generator).clamp(-1.5, 1.5)
    thick_RC = shape.volume * height_C + shape.roughness * bumps_RC
    grid_RC3 = grid_RC3 + (0.012 + thick_RC * rise_R[:, None])[..., None] * outward_RC3
    # An underside, so that nothing shows through between hair and skin.
    under_C3 = skull.at(angle_RC[:1] + 0.2) - 0.02 * outward_RC3[:1]
    grid_RC3 = torch.cat([under_C3, grid_RC3])
    occlusion_RC = torch.ones(grid_RC3.shape[:2])
    occlusion_RC[:2] = torch.tensor([[0.3], [0.6]])
    parts.add(grid_RC3, HAIR, spread(STRANDS, *grid_RC3.shape[:2]), occlusion_RC=occlusion_RC)
    close_sides(parts, grid_RC3, HAIR, STRANDS)


def add_curtain(parts: Surfaces, skull: Skull, shape: HeadShape) -> None:
    """Hair that hangs beside and behind the face, seen from both sides."""
    end = -0.75 if shape.hair == "bob" else -1.55
    turn_C = torch.linspace(1.05, 2 * pi - 1.05, 22)
    share_R = torch.linspace(0, 1, 9)
    height_R = torch.lerp(skull.centre_3[1] + 0.42, torch.tensor(end), share_R)
    bulge_R = shape.volume * (0.5 + 1.2 * (share_R * pi * 0.8).sin()) - 0.12 * (1 - share_R) ** 2
    bumps_RC = torch.randn(9, 22, generator=torch.Generator().manual_seed(shape.seed + 1))
    radius_RC = bulge_R[:, None] + shape.roughness * bumps_RC.clamp(-1.5, 1.5)
    grid_RC3 = torch.stack(
        [
            skull.centre_3[0] + (skull.half_3[0] + radius_RC) * turn_C.sin(),
            height_R[:, None] + 0.06 * (share_R**4)[:, None] * (3 * turn_C).cos(),
            skull.centre_3[2] + (skull.half_3[2] + radius_RC) * turn_C.cos(),
        ],
        -1,
    )
    uv_RC2 = spread(STRANDS, 9, 22)
    stay_R = 0.35 * share_R**2
    for back, light in ((False, 1.0), (True, 0.35)):
        parts.add(
            grid_RC3,
            HAIR,
            uv_RC2,
            back=back,
            stay_R=stay_R,
            occlusion_RC=light * (1 - 0.25 * share_R)[:, None].expand(9, 22),
        )

import torch

from viseme_render.autoencoder.packing import PixelPacking, pack, unpack


def test_a_place_holds_the_pixels_of_its_square_row_by_row():
    frames = torch.rand(2, 3, 8, 12)
    packed = pack(frames, 4)
    assert packed.shape == (2, 48, 2, 3)
    for place, (y, x) in enumerate([(0, 0), (0, 3), (2, 1)]):
        del place
        number = 3 * (4 * y + x)
        assert torch.equal(packed[1, number : number + 3, 1, 2], frames[1, :, 4 + y, 8 + x])


def test_unpacking_gives_back_every_bit():
    frames = torch.rand(2, 3, 8, 12)
    assert torch.equal(unpack(pack(frames, 2), 2), frames)
    packing = PixelPacking(4)
    assert torch.equal(packing.decode(packing.encode(frames)), frames)

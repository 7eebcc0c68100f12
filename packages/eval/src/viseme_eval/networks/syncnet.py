"""SyncNet v2 (Chung and Zisserman 2016): the network behind LSE-C, LSE-D, confidence and offset.

Reads `syncnet_v2.model` of joonson/syncnet_python, whose class is called S. Letters: B windows.
"""

from torch import Tensor, nn

EMBEDDING = 1024


class SyncNetV2(nn.Module):
    """Embeds five frames of a face and 0.2 s of sound; near each other when they belong together.

    Embeddings are raw: the scores are Euclidean distances between them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_heard(1, 64),
            nn.MaxPool2d(1),
            *_heard(64, 192),
            nn.MaxPool2d(3, (1, 2)),
            *_heard(192, 384),
            *_heard(384, 256),
            *_heard(256, 256),
            nn.MaxPool2d(3, 2),
            *_heard(256, 512, kernel=(5, 4), padding=0),
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_seen(3, 96, (5, 7, 7), stride=2, padding=0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_seen(96, 256, (1, 5, 5), stride=2, padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_seen(256, 256, (1, 3, 3), stride=1, padding=1),
            *_seen(256, 256, (1, 3, 3), stride=1, padding=1),
            *_seen(256, 256, (1, 3, 3), stride=1, padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_seen(256, 512, (1, 6, 6), stride=1, padding=0),
        )

    def see(self, frames: Tensor) -> Tensor:
        """Return embeddings (B, 1024) of frames (B, 3, 5, 224, 224): BGR, 0 to 255."""
        return self.netfclip(self.netcnnlip(frames).flatten(1))

    def hear(self, coefficients: Tensor) -> Tensor:
        """Return embeddings (B, 1024) of cepstral coefficients (B, 1, 13, 20)."""
        return self.netfcaud(self.netcnnaud(coefficients).flatten(1))


def _heard(
    given: int, made: int, *, kernel: int | tuple[int, int] = 3, padding: int = 1
) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(given, made, kernel, padding=padding)
    return convolution, nn.BatchNorm2d(made), nn.ReLU()


def _seen(
    given: int, made: int, kernel: tuple[int, int, int], *, stride: int, padding: int
) -> tuple[nn.Module, ...]:
    convolution = nn.Conv3d(given, made, kernel, (1, stride, stride), (0, padding, padding))
    return convolution, nn.BatchNorm3d(made), nn.ReLU()


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, EMBEDDING)
    )

"""The two networks: `PeopleNet` finds faces, people and joints; `MarkNet` tells watermarked pictures from clean ones.

Plain 3x3 convolutions on a space-to-depth stem: on a CPU they run closer to its peak than depthwise ones.
All lengths are pixels of the 320 px input unless a name says otherwise.
"""

import torch
from torch import nn
from torch.nn import functional as F

INPUT = 320  # side of PeopleNet's input: the 640 px letterbox averaged 2x2
STRIDE = 8  # pixels per cell of the output grid
GRID = INPUT // STRIDE
JOINTS = 17
JOINT_UNIT = 32.0  # pixels per unit of a raw joint offset; keeps raw outputs near -3..3
MARK_INPUT = 256


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions around a skip: [n, c, h, w] -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.second(self.first(x)))


class Head(nn.Module):
    """[n, 64, 40, 40] -> [n, outputs, 40, 40]; channel 0 is the score's logit, 1..5 the box."""

    def __init__(self, outputs: int):
        super().__init__()
        self.hidden = conv(64, 64)
        self.out = nn.Conv2d(64, outputs, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[0] = -4.0  # objects are rare: start near p = 0.02, or the empty cells drown the rest
            self.out.bias[1:5] = 1.5  # boxes start at about 70 px

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.hidden(x))


class Backbone(nn.Module):
    """[n, 3, 320, 320] in 0..1 -> features [n, 64, 40, 40] that have seen the whole picture."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), conv(48, 32), Residual(32))
        self.at40 = nn.Sequential(conv(32, 64, 2), Residual(64))
        self.at20 = nn.Sequential(conv(64, 96, 2), Residual(96), Residual(96))
        self.at10 = nn.Sequential(conv(96, 64, 2), Residual(64))
        self.lateral10 = nn.Conv2d(64, 64, 1)
        self.lateral20 = nn.Conv2d(96, 64, 1)
        self.lateral40 = nn.Conv2d(64, 64, 1)
        self.merge20 = Residual(64)
        self.merge40 = conv(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        at40 = self.at40(self.stem(x - 0.45))
        at20 = self.at20(at40)
        at10 = self.lateral10(self.at10(at20))
        at20 = self.merge20(F.relu(self.lateral20(at20) + F.interpolate(at10, scale_factor=2.0)))
        return self.merge40(F.relu(self.lateral40(at40) + F.interpolate(at20, scale_factor=2.0)))


class PeopleNet(nn.Module):
    """One backbone; a head for faces, one for people and one for joints.

    faces: [n, 5, 40, 40] = score logit, log distances to the box's left, top, right and bottom in cells.
    people: [n, 5 + 34 + 17, 40, 40] = the same, then the joints' offsets (x, y) from the cell in `JOINT_UNIT` and the
    logits of their visibility.
    field: [n, 51, 40, 40], read *at a joint* rather than at the person's centre: for each of the 17 the logit of
    "such a joint is near" and the offset (x, y) to it in cells.
    """

    def __init__(self):
        super().__init__()
        self.backbone = Backbone()
        self.faces = Head(5)
        self.people = Head(5 + JOINTS * 3)
        self.field = nn.Sequential(conv(64, 96), nn.Conv2d(96, JOINTS * 3, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        features = self.backbone(x)
        return self.faces(features), self.people(features), self.field(features)


def cell_centres(device: torch.device | None = None) -> torch.Tensor:
    """[2, 40, 40]: x and y of every cell's centre."""
    along = (torch.arange(GRID, device=device) + 0.5) * STRIDE
    return torch.stack(torch.meshgrid(along, along, indexing="xy"))


def decode_boxes(raw: torch.Tensor) -> torch.Tensor:
    """Raw box channels [n, 4, 40, 40] -> x0, y0, x1, y1 [n, 4, 40, 40]."""
    centres = cell_centres(raw.device)
    reach = raw.clamp(-4, 4).exp() * STRIDE
    return torch.cat([centres - reach[:, :2], centres + reach[:, 2:]], 1)


def decode_joints(raw: torch.Tensor) -> torch.Tensor:
    """Raw joint offsets [n, 34, 40, 40] -> positions [n, 17, 2, 40, 40]."""
    return raw.unflatten(1, (JOINTS, 2)) * JOINT_UNIT + cell_centres(raw.device)


class MarkNet(nn.Module):
    """[n, 3, 256, 256], ImageNet-normalised -> logits [n, 2] = clean, watermark, and where: [n, 1, 32, 32].

    `where` is supervised with the pixels that a mark changed; only training reads it.
    """

    def __init__(self):
        super().__init__()
        self.at64 = nn.Sequential(nn.PixelUnshuffle(4), conv(48, 32), Residual(32))
        self.at32 = nn.Sequential(conv(32, 64, 2), Residual(64))
        self.at16 = nn.Sequential(conv(64, 96, 2), Residual(96), Residual(96))
        self.at8 = nn.Sequential(conv(96, 96, 2), Residual(96))
        self.up16 = nn.Conv2d(96, 64, 1)
        self.up8 = nn.Conv2d(96, 64, 1)
        self.merge = conv(64, 64)
        self.where = nn.Conv2d(64, 1, 1)
        self.out = nn.Linear(96 * 2 + 64 + 3, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        at32 = self.at32(self.at64(x))
        at16 = self.at16(at32)
        at8 = self.at8(at16)
        context = F.interpolate(self.up16(at16) + F.interpolate(self.up8(at8), scale_factor=2.0), scale_factor=2.0)
        merged = self.merge(F.relu(at32 + context))
        where = self.where(merged)
        # a mark has neighbouring cells, and many of them; what only looks like one is often a single cell
        patch = F.avg_pool2d(where, 3, 1, 1)
        spread = [where.amax((2, 3)), patch.amax((2, 3)), where.sigmoid().mean((2, 3))]
        pooled = torch.cat([at8.mean((2, 3)), at8.amax((2, 3)), merged.amax((2, 3)), *spread], 1)
        return self.out(pooled), where

"""What PeopleNet and MarkNet are trained to say.

Every object marks the cells around its centre with a Gaussian; scores follow it, and boxes and joints are learned
there. Everything but the score map is computed on gathered cells only: most cells belong to no object.
"""

import torch
from torch.nn import functional as F

from network import JOINT_UNIT, JOINTS, STRIDE, cell_centres

SCORE_SIGMA = 0.10  # of the box's side: boxes and joints read there are about as good as at the very centre
MIN_SIGMA = 0.7 * STRIDE  # small faces still mark their cell's neighbours
LEARN_ABOVE = 0.35  # cells with a target above this learn the box and the joints
NEAR = 2.0  # cells around a joint from which its exact place is read
HIDDEN_JOINT = 0.3  # weight of the place of a joint that is not visible: a guess, but a limb has to end somewhere


def assign(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes [n, p, 4] (NaN where there is none) -> target [n, 1600] in 0..1 and each cell's object [n, 1600]."""
    centres = cell_centres().flatten(1)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    sigma = ((boxes[..., 2:] - boxes[..., :2]) * SCORE_SIGMA).clamp(min=MIN_SIGMA)
    distance = (((centres - middle[..., None]) / sigma[..., None]) ** 2).sum(2)
    heat = torch.exp(-0.5 * (distance - distance.amin(2, keepdim=True)))  # 1 in the cell nearest to the centre
    return heat.nan_to_num(0.0).max(1)


def score_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Quality focal loss: cross entropy with a soft target, weighted by the squared error. All [n, 1600]."""
    error = (logits.detach().sigmoid() - target).square()
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * error * weight
    return loss.sum() / (target == 1).sum().clamp(min=1)


def generalised_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Boxes [k, 4] and [k, 4] -> [k] in -1..1."""
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    outer = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1).clamp(min=1e-3)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inner
    return inner / union.clamp(min=1e-3) - (outer - union) / outer


def weighted_mean(loss: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Sum of loss x weight over the sum of the weights, 0 if there are none."""
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)


def object_losses(raw: torch.Tensor, boxes: torch.Tensor, ignored: torch.Tensor) -> tuple[dict, tuple]:
    """Score and box losses of one head.

    raw [n, c, 40, 40], boxes [n, p, 4], ignored bool [n, p]: cut objects that may be found or not.
    Also returns the gathered cells: raw rows [k, c], picture [k], object [k], cell centre [k, 2], weight [k].
    """
    target, owner = assign(boxes)
    unsure = ignored.gather(1, owner) & (target > 0.02)
    score = score_loss(raw[:, 0].flatten(1).float(), target, (~unsure).float())
    picture, cell = ((target > LEARN_ABOVE) & ~unsure).nonzero(as_tuple=True)
    rows = raw.flatten(2)[picture, :, cell].float()
    centre, weight, thing = cell_centres().flatten(1).T[cell], target[picture, cell], owner[picture, cell]
    reach = rows[:, 1:5].clamp(-4, 4).exp() * STRIDE
    found = torch.cat([centre - reach[:, :2], centre + reach[:, 2:]], 1)
    box = weighted_mean(1 - generalised_iou(found, boxes[picture, thing]), weight)
    return {"score": score, "box": box}, (rows, picture, thing, centre, weight)


def joint_losses(gathered: tuple, boxes: torch.Tensor, joints: torch.Tensor) -> dict:
    """Joints as seen from the person's centre; joints [n, p, 17, 3] = x, y, visibility, NaN places where unknown."""
    rows, picture, thing, centre, weight = gathered
    box, truth = boxes[picture, thing], joints[picture, thing]
    side = (box[:, 2:] - box[:, :2]).amax(1)
    found = rows[:, 5:39].unflatten(1, (JOINTS, 2)) * JOINT_UNIT + centre[:, None]
    off = (found - truth[..., :2]).nan_to_num(0.0) / side[:, None, None]
    place = (off.square().sum(2) + 1e-4).sqrt() - 1e-2  # L1, smooth below a hundredth of the person
    known = truth[..., 0].isfinite().float()
    place_weight = known * (truth[..., 2] * (1 - HIDDEN_JOINT) + HIDDEN_JOINT) * weight[:, None]
    visible = F.binary_cross_entropy_with_logits(rows[:, 39:56], truth[..., 2], reduction="none")
    return {"joint": weighted_mean(place, place_weight), "visible": weighted_mean(visible.mean(1), weight)}


def field_losses(raw: torch.Tensor, joints: torch.Tensor) -> dict:
    """Joints as seen from where they are: raw field [n, 51, 40, 40], joints [n, p, 17, 3].

    "Near" is asked of every cell, since the search for a joint may come along anywhere.
    """
    shown = torch.where(joints[..., 2:] > 0.5, joints[..., :2], torch.nan)
    steps = (shown[..., None] - cell_centres().flatten(1)) / STRIDE  # [n, p, 17, 2, 1600], in cells
    distance, nearest = steps.square().sum(3).nan_to_num(1e6).min(1)  # to this joint of anybody: [n, 17, 1600]
    near = ((NEAR - distance.sqrt()).clamp(-0.5, 0.5) + 0.5).float()
    field = raw.flatten(2).unflatten(1, (JOINTS, 3)).float()
    error = (field[:, :, 0].detach().sigmoid() - near).square()
    is_near = F.binary_cross_entropy_with_logits(field[:, :, 0], near, reduction="none") * error
    picture, joint, cell = (near > 0.5).nonzero(as_tuple=True)
    truth = steps[picture, nearest[picture, joint, cell], joint, :, cell]
    off = (field[picture, joint, 1:, cell] - truth).abs().sum()
    return {"near": is_near.sum() / near.sum().clamp(min=1), "field": off / max(len(picture), 1)}


def people_loss(faces: torch.Tensor, people: torch.Tensor, field: torch.Tensor, batch: dict) -> tuple[torch.Tensor, dict]:
    """The sum to descend, and its parts by name."""
    parts = {}
    found, _ = object_losses(faces, batch["faces"], batch["ignored"])
    parts |= {f"face {name}": value for name, value in found.items()}
    found, gathered = object_losses(people, batch["boxes"], batch["ignored"])
    found |= joint_losses(gathered, batch["boxes"], batch["joints"])
    found |= field_losses(field, batch["joints"])
    parts |= found
    weights = {"joint": 15.0, "visible": 0.5, "near": 1.5, "field": 0.75}
    return sum(value * weights.get(name, 1.0) for name, value in parts.items()), parts


def mark_loss(logits: torch.Tensor, where: torch.Tensor, batch: dict) -> tuple[torch.Tensor, dict]:
    """Cross entropy of the label, and of the cells that the mark changed: `changed` [n, 32, 32] in 0..1."""
    parts = {
        "label": F.cross_entropy(logits.float(), batch["label"]),
        "where": F.binary_cross_entropy_with_logits(where[:, 0].float(), batch["changed"]),
    }
    return parts["label"] + 3 * parts["where"], parts

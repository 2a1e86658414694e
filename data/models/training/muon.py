"""The Muon optimiser for convolutions: momentum, made orthogonal, so that every direction of a layer learns alike.

Keller Jordan et al., 2024; the step is scaled to the size of Adam's (Liu et al., 2025), so that both share one rate.
A step costs a few matrix products more than Adam's; pictures are what is dear here, and it needs fewer of them.
"""

import torch


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """[rows, columns] -> about the nearest matrix with equal singular values, by five Newton-Schulz steps."""
    x = matrix / (matrix.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    """For weights [out, in, height, width]."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.03):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step along the orthogonal Nesterov momentum."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                mean = state.setdefault("mean", torch.zeros_like(weight)).lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(mean, group["momentum"]).flatten(1)
                size = 0.2 * max(ahead.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(orthogonal(ahead).view_as(weight), alpha=-group["lr"] * size)

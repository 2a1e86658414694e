"""The Muon optimiser for convolutions: momentum, made orthogonal, so that every direction of a layer learns alike.

Keller Jordan et al., 2024; the step is scaled to the size of Adam's (Liu et al., 2025), so that both share one rate.
A step costs a few matrix products more than Adam's; pictures are what is dear here, and it needs fewer of them.
"""

from collections import defaultdict

import torch

# Whether the processor multiplies matrices of bf16 in hardware.
HAS_BF16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """[n, rows, columns] -> about the nearest matrices with equal singular values, by five Newton-Schulz steps. In bf16 where
    that is fast, as Jordan does: the steps only have to come near."""
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = x if x.shape[1] <= x.shape[2] else x.mT
    if HAS_BF16:
        x = x.bfloat16()
    for _ in range(5):
        square = x @ x.mT
        factor = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, factor, x, beta=3.4445)
    return (x if matrices.shape[1] <= matrices.shape[2] else x.mT).float()


class Muon(torch.optim.Optimizer):
    """For weights [out, in, height, width]."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.03):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step along the orthogonal Nesterov momentum. Weights of one shape are made orthogonal together: most are small."""
        for group in self.param_groups:
            alike = defaultdict(list)
            for weight in group["params"]:
                state = self.state[weight]
                mean = state.setdefault("mean", torch.zeros_like(weight)).lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(mean, group["momentum"]).flatten(1)
                alike[ahead.shape].append((weight, ahead))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
            for shape, pairs in alike.items():
                size = 0.2 * max(shape) ** 0.5
                steps = orthogonal(torch.stack([ahead for _, ahead in pairs]))
                for (weight, _), step in zip(pairs, steps):
                    weight.add_(step.view_as(weight), alpha=-group["lr"] * size)

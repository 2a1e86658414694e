"""MarkNet from an exported watermark.onnx, to train it further.

The export folds batch normalisation into the convolutions. It is unfolded by what the network sees: each layer's
outputs are normalised to mean 0 and variance 1 on some pictures, and its own mean and deviation become the layer's
shift and scale, so that training begins with the same function.
"""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from network import MarkNet


@torch.no_grad()
def restore(path: Path, images: torch.Tensor) -> MarkNet:
    """The network in the file; `images` [n, 3, 256, 256] are typical ones."""
    tensors = [(t.name, torch.from_numpy(numpy_helper.to_array(t).copy())) for t in onnx.load(path).graph.initializer]
    net = MarkNet()
    state = net.state_dict()
    for name, tensor in tensors:
        if name.startswith("net."):
            own = state[name.removeprefix("net.")]
            # inputs of the last layer that the file does not have yet count nothing
            own.zero_()[tuple(slice(size) for size in tensor.shape)] = tensor
    folded = iter([tensor for name, tensor in tensors if not name.startswith("net.")])
    for conv, norm in blocks(net):
        conv.weight.copy_(next(folded))
        norm.bias.copy_(next(folded))
    for conv, norm in blocks(net):
        unfold(net, conv, norm, images)
    return net.train()


def blocks(net: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution with the normalisation behind it, in the order of the file."""
    modules = list(net.modules())
    return [(a, b) for a, b in zip(modules, modules[1:]) if isinstance(b, nn.BatchNorm2d)]


def unfold(net: MarkNet, conv: nn.Conv2d, norm: nn.BatchNorm2d, images: torch.Tensor) -> None:
    """Makes `norm` do something on these pictures without changing what the network says."""
    seen = []
    hook = conv.register_forward_hook(lambda _, __, output: seen.append(output))
    net.eval()
    for batch in images.split(32):
        net(batch)
    hook.remove()
    output = torch.cat(seen).transpose(0, 1).flatten(1)
    mean, deviation = output.mean(1), output.std(1).clamp(min=1e-3)
    conv.weight.div_(deviation[:, None, None, None])
    norm.bias.add_(mean)
    norm.weight.copy_(deviation)
    norm.running_mean.copy_(mean / deviation)
    norm.running_var.fill_(1.0 - norm.eps)

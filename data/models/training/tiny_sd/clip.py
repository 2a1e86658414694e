"""CLIP's two halves as one module, and what they see."""

import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

import networks

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


def look(image: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, height, width] in -1..1 -> [n, 3, 64, 64] as CLIP normalises them."""
    small = F.interpolate(image, size=networks.LOOK, mode="bicubic", antialias=True).clamp(-1, 1)
    return (small / 2 + 0.5 - MEAN) / STD


class Clip(nn.Module):
    """Text, vision, and the sharpness of their comparison."""

    def __init__(self, tokenizer: CLIPTokenizer):
        super().__init__()
        self.text = networks.text(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
        self.vision = networks.vision()
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, ids: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """Logits [pictures, captions]."""
        return self.compare(self.text(ids).text_embeds, self.vision(pixels).image_embeds)

    def compare(self, texts: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
        """Logits [pictures, captions] of their embeddings."""
        texts, pictures = F.normalize(texts, dim=1), F.normalize(pictures, dim=1)
        return self.scale.exp().clamp(max=100) * pictures @ texts.T


def contrast(logits: torch.Tensor) -> torch.Tensor:
    """Each picture finds its caption, and each caption its picture."""
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def shares(logits: torch.Tensor) -> tuple[float, float]:
    """How often a picture's own caption scores highest, and is among the five highest."""
    place = (logits > logits.diagonal()[:, None]).sum(1)
    return (place == 0).float().mean().item(), (place < 5).float().mean().item()

"""The demo captioner: BLIP in small, and a reader of what is worn where, which teaches it and is thrown away."""

import math
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from transformers import BlipConfig, BlipForConditionalGeneration

import vocabulary
from squares import SIDE

sys.path.append(str(Path(__file__).parents[1]))
from muon import HAS_BF16  # noqa: E402

PATCH = 12
ACROSS = SIDE // PATCH  # patches per side
WIDTH, HEADS, LAYERS, SPOKEN = 128, 4, 4, 2  # of the vision half; the text half is as wide and has SPOKEN layers


def config(words: int) -> BlipConfig:
    """Of a model with a vocabulary of `words`. ReLU: as good here, and quicker to train than the usual GELU."""
    # BLIP's own range for the vision half, 1e-10, is for weights that are loaded.
    size = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "hidden_act": "relu", "initializer_range": 0.04}
    vision = {"num_hidden_layers": LAYERS, "image_size": SIDE, "patch_size": PATCH, "intermediate_size": 4 * WIDTH}
    text = {
        "num_hidden_layers": SPOKEN, "encoder_hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "vocab_size": words,
        "max_position_embeddings": vocabulary.MOST, "bos_token_id": vocabulary.BEGIN, "eos_token_id": vocabulary.END,
        "sep_token_id": vocabulary.END, "pad_token_id": vocabulary.PAD, "is_decoder": True,
    }
    return BlipConfig(vision_config=size | vision, text_config=size | text)


def waves() -> torch.Tensor:
    """What patches are first seen through, [width, 3, patch, patch]: the smoothest cosines of brightness, fewer of colour."""
    t = (torch.arange(PATCH) + 0.5) * math.pi / PATCH
    order = sorted(((u, v) for u in range(PATCH) for v in range(PATCH)), key=lambda uv: (sum(uv), uv))
    grey = torch.tensor([1.0, 1.0, 1.0])
    hues = [grey, torch.tensor([1.0, -1.0, 0.0]), torch.tensor([0.5, 0.5, -1.0])]
    seen = [hues[hue][:, None, None] * torch.cos(u * t)[:, None] * torch.cos(v * t)
            for (u, v), count in zip(order, [3] * 40 + [1] * WIDTH) for hue in range(count)]
    return torch.stack([wave / wave.norm() for wave in seen[:WIDTH]])


class Taught(nn.Module):
    """The captioner with the reader."""

    def __init__(self, words: int):
        super().__init__()
        self.blip = BlipForConditionalGeneration(config(words))
        self.reader = nn.Linear(WIDTH, words)
        nn.init.constant_(self.reader.bias, -4.0)  # a place has few of all words
        embeddings = self.blip.vision_model.embeddings
        embeddings.patch_embedding.weight.data.copy_(waves() * 0.25)
        for table in (embeddings.position_embedding, embeddings.class_embedding):
            nn.init.normal_(table, std=0.1)

    def forward(self, batch: dict[str, torch.Tensor], kept: int) -> dict[str, torch.Tensor]:
        """Errors of the next words and of the words at points; only `kept` patches of each photo are looked at."""
        vision = self.blip.vision_model
        with torch.autocast("cpu", torch.bfloat16, enabled=HAS_BF16):
            tokens = vision.embeddings(batch["image"])
            n, all_patches = len(tokens), ACROSS * ACROSS
            place = torch.arange(all_patches).expand(n, -1)  # of each patch among those that are kept
            if kept < all_patches:
                order = torch.rand(n, all_patches).argsort(1)
                place, chosen = order.argsort(1), order[:, :kept]
                seen = tokens[:, 1:].gather(1, chosen[..., None].expand(-1, -1, WIDTH))
                tokens = torch.cat([tokens[:, :1], seen], 1)
            states = vision.post_layernorm(vision.encoder(inputs_embeds=tokens).last_hidden_state)
            ids = batch["ids"]
            logits = self.blip.text_decoder(
                ids[:, :-1], encoder_hidden_states=states, use_cache=False, return_dict=True
            ).logits.float()
            worn = self.worn(states[:, 1:], place, kept, batch)
        said = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=vocabulary.PAD)
        return {"words": said, "worn": worn}

    def worn(self, states: torch.Tensor, place: torch.Tensor, kept: int, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The error of the words at points, per point."""
        at = (batch["points"] * ACROSS).long().clamp(0, ACROSS - 1)
        patch = place.gather(1, at[..., 1] * ACROSS + at[..., 0])
        row, which = ((batch["points"] >= 0).all(-1) & (patch < kept)).nonzero(as_tuple=True)
        read = self.reader(states[row, patch[row, which]]).float()
        right = batch["words"][row, batch["places"][row, which]].float()
        return F.binary_cross_entropy_with_logits(read, right, reduction="sum") / max(1, len(row))

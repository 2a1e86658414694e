"""Loads two adapter files with diffusers' own IP-Adapter loader and predicts noise with them.

    python ip_adapter.py FOLDER LAMBDA_REF LAMBDA_BODY

FOLDER has unet/ (a diffusers model), ref.safetensors, body.safetensors and inputs.safetensors
(latents, timesteps, encoder_hidden_states, ref_embeds, body_embeds; for SDXL text_embeds, time_ids).
Writes FOLDER/noise_pred.safetensors.

    python ip_adapter.py --make FOLDER EMBED_DIM

Writes FOLDER/made.safetensors: random parameters of an adapter for FOLDER/unet, in the public layout.
"""
import math
import sys
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file


def make(folder, embed_dim):
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    cross = unet.config.cross_attention_dim
    g = torch.Generator().manual_seed(5)

    def randn(*shape):
        return torch.randn(*shape, generator=g) / math.sqrt(shape[-1])

    tensors = {
        "image_proj.proj.weight": randn(4 * cross, embed_dim),
        "image_proj.proj.bias": randn(4 * cross),
        "image_proj.norm.weight": 1 + randn(cross),
        "image_proj.norm.bias": randn(cross),
    }
    modules = dict(unet.named_modules())
    layers = [n[: -len(".processor")] for n in unet.attn_processors if n.endswith("attn2.processor")]
    for i, layer in enumerate(layers):
        width = modules[layer].to_q.out_features
        for kv in "kv":
            tensors[f"ip_adapter.{2 * i + 1}.to_{kv}_ip.weight"] = randn(width, cross)
    save_file(tensors, folder / "made.safetensors")


@torch.no_grad()
def predict(folder, scales):
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    parts = dict(unet=unet, vae=None, text_encoder=None, tokenizer=None, scheduler=DDIMScheduler(steps_offset=1, clip_sample=False), image_encoder=None,
                 feature_extractor=None)
    if unet.config.addition_embed_type == "text_time":
        pipe = StableDiffusionXLPipeline(**parts, text_encoder_2=None, tokenizer_2=None)
    else:
        pipe = StableDiffusionPipeline(**parts, safety_checker=None, requires_safety_checker=False)
    names = ["ref.safetensors", "body.safetensors"]
    pipe.load_ip_adapter([str(folder)] * 2, subfolder=[""] * 2, weight_name=names, image_encoder_folder=None,
                         low_cpu_mem_usage=False, local_files_only=True)
    pipe.set_ip_adapter_scale(scales)
    x = load_file(folder / "inputs.safetensors")
    added = {k: x[k] for k in ("text_embeds", "time_ids") if k in x}
    added["image_embeds"] = [x["ref_embeds"][:, None], x["body_embeds"][:, None]]
    out = pipe.unet(x["latents"], x["timesteps"], x["encoder_hidden_states"], added_cond_kwargs=added).sample
    save_file({"noise_pred": out.contiguous()}, folder / "noise_pred.safetensors")


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        predict(Path(sys.argv[1]), [float(v) for v in sys.argv[2:4]])

"""Tiled encoding and decoding by diffusers: python tiled_vae.py GOLDEN_FOLDER OUT.safetensors"""
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

case = Path(sys.argv[1]) / "vae_kl"
vae = AutoencoderKL.from_config(AutoencoderKL.load_config(case / "config.json")).eval()
vae.load_state_dict(load_file(case / "weights.safetensors"))
vae.enable_tiling()
g = torch.Generator().manual_seed(3)
latent, image = torch.randn(1, 4, 20, 24, generator=g), torch.rand(1, 3, 72, 88, generator=g) * 2 - 1
with torch.no_grad():
    decoded, moments = vae.decode(latent).sample, vae.encode(image).latent_dist
save_file({"latent": latent, "decoded": decoded.contiguous(), "image": image, "mean": moments.mean.contiguous(),
           "logvar": moments.logvar.contiguous()}, sys.argv[2])

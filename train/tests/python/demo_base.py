"""What diffusers and transformers make of the demo base and an adapter.

    python demo_base.py BASE ADAPTER FOLDER

FOLDER/inputs.safetensors: latents [1, c, h, w], ref [1, width], body [1, width]. FOLDER/settings.json: prompt, timestep,
lambdas (pairs of λ_ref and λ_b). Writes FOLDER/found.safetensors: text [1, tokens, width], prediction.N of every pair,
pixels [1, 3, H, W] (-1..1, what the latents decode to), mean (what those encode to), clip_text and clip_image (embeddings of
the prompt and of the pixels).
"""
import json
import sys
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPModel


@torch.no_grad()
def main(base, adapter, folder):
    settings = json.loads((folder / "settings.json").read_text())
    given = load_file(folder / "inputs.safetensors")
    pipe = StableDiffusionPipeline.from_pretrained(base, torch_dtype=torch.float32, safety_checker=None)
    pipe.load_ip_adapter(
        [str(adapter)] * 2, subfolder=[""] * 2, weight_name=["ref.safetensors", "body.safetensors"],
        image_encoder_folder=None, low_cpu_mem_usage=False, local_files_only=True,
    )
    pipe.unet.float()
    ids = pipe.tokenizer(
        settings["prompt"], padding="max_length", max_length=pipe.tokenizer.model_max_length, truncation=True,
        return_tensors="pt",
    ).input_ids
    states = pipe.text_encoder(ids).last_hidden_state
    found = {"text": states}
    images = [given["ref"][:, None], given["body"][:, None]]
    for number, lambdas in enumerate(settings["lambdas"]):
        pipe.set_ip_adapter_scale(lambdas)
        found[f"prediction.{number}"] = pipe.unet(
            given["latents"], settings["timestep"], states, added_cond_kwargs={"image_embeds": images},
        ).sample
    found["pixels"] = pipe.vae.decode(given["latents"] / pipe.vae.config.scaling_factor).sample
    found["mean"] = pipe.vae.encode(found["pixels"]).latent_dist.mean
    clip = CLIPModel.from_pretrained(base / "clip", torch_dtype=torch.float32)
    found["clip_text"] = clip.text_projection(clip.text_model(ids).pooler_output)
    side = clip.config.vision_config.image_size
    mean, std = (torch.tensor(row).view(1, 3, 1, 1) for row in (
        (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)))
    assert found["pixels"].shape[2] == side
    pixels = (found["pixels"] / 2 + 0.5 - mean) / std
    found["clip_image"] = clip.visual_projection(clip.vision_model(pixels).pooler_output)
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / "found.safetensors")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))

"""Whole pipelines of diffusers with two IP-Adapters, on tiny checkpoints with random weights.

    python pipelines.py make FOLDER FAMILY

Writes FOLDER/base (a checkpoint in diffusers' layout, FAMILY sd or sdxl), FOLDER/adapter/{ref,body}.safetensors and
FOLDER/embeddings.safetensors (ref, body).

    python pipelines.py draw FOLDER

Draws as FOLDER/settings.json says, a picture per scheduler. Writes FOLDER/drawn.safetensors: NAME.latents and NAME.pixels
(0..1) of every scheduler, and `noise` [steps + 1, 1, c, h, w]: the first is what every pipeline began with, the others are
what an ancestral scheduler added.
"""
import json
import string
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL, DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
    StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from diffusers.schedulers import scheduling_ddpm
from ip_adapter import make as make_adapter
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WIDTH = 32  # of a text encoder's states
EMBEDDINGS = {"ref": 48, "body": 24}
SCHEDULERS = {
    "ddpm": DDPMScheduler, "ddim": DDIMScheduler, "euler": EulerDiscreteScheduler,
    "dpm++2m": DPMSolverMultistepScheduler,
}
SCHEDULE = {
    "num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
    "steps_offset": 1,
}


def tokenizer(folder, padding):
    """Every letter by itself, within a word and at its end."""
    letters = [letter + end for letter in string.ascii_lowercase + "," for end in ("", "</w>")]
    tokens = ["!", *letters, "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
               "pad_token": padding}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return CLIPTokenizer.from_pretrained(folder)


def text_encoder(kind, tokens, activation):
    end = len(tokens) - 1
    return kind(CLIPTextConfig(
        vocab_size=len(tokens), hidden_size=WIDTH, intermediate_size=64, projection_dim=WIDTH, num_hidden_layers=3,
        num_attention_heads=4, hidden_act=activation, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
    ))


def unet(family):
    usual = dict(sample_size=16, block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8,
                 down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                 up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))
    if family == "sd":
        return UNet2DConditionModel(**usual, attention_head_dim=4, cross_attention_dim=WIDTH)
    return UNet2DConditionModel(
        **usual, attention_head_dim=(2, 4), use_linear_projection=True, transformer_layers_per_block=(1, 2),
        cross_attention_dim=2 * WIDTH, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
    )


def make(folder, family):
    torch.manual_seed(7)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(16, 32),
        latent_channels=4, norm_num_groups=8, sample_size=64,  # larger pictures than this are decoded in tiles
    )
    first = tokenizer(folder / "words", "<|endoftext|>")
    parts = dict(vae=vae, unet=unet(family), tokenizer=first, text_encoder=text_encoder(CLIPTextModel, first, "quick_gelu"))
    if family == "sd":
        parts["scheduler"] = DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False)
        pipe = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    else:
        second = tokenizer(folder / "words_2", "!")
        parts["scheduler"] = EulerDiscreteScheduler(**SCHEDULE, timestep_spacing="leading")
        pipe = StableDiffusionXLPipeline(
            **parts, tokenizer_2=second, text_encoder_2=text_encoder(CLIPTextModelWithProjection, second, "gelu"),
        )
    pipe.save_pretrained(folder / "base")
    # As published SDXL bases say beside Euler's own keys, so that other schedulers do not clip latents as if they were pixels:
    # of clipped ones PyTorch's own result in f32 is 5e-4 from that in f64.
    path = folder / "base/scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"clip_sample": False, "set_alpha_to_one": False}))
    (folder / "adapter").mkdir()
    for name, width in EMBEDDINGS.items():
        make_adapter(folder / "base", width)
        (folder / "base" / "made.safetensors").rename(folder / "adapter" / f"{name}.safetensors")
    save_file({name: torch.randn(1, width) for name, width in EMBEDDINGS.items()}, folder / "embeddings.safetensors")


def draw(folder):
    settings = json.loads((folder / "settings.json").read_text())
    side = [settings[name] // 2 for name in ("height", "width")]
    noise = torch.randn(settings["steps"] + 1, 1, 4, *side, generator=torch.Generator().manual_seed(11))
    embeddings = load_file(folder / "embeddings.safetensors")
    is_guided = settings["guidance"] > 1
    index = json.loads((folder / "base" / "model_index.json").read_text())
    kind = StableDiffusionXLPipeline if "XL" in index["_class_name"] else StableDiffusionPipeline
    drawn = {"noise": noise}
    for name in settings["schedulers"]:
        pipe = kind.from_pretrained(folder / "base")
        pipe.set_progress_bar_config(disable=True)
        spacing = {"timestep_spacing": settings["spacing"]} if settings["spacing"] else {}
        pipe.scheduler = SCHEDULERS[name].from_config(pipe.scheduler.config, **spacing)
        pipe.load_ip_adapter(
            [str(folder / "adapter")] * 2, subfolder=[""] * 2, weight_name=["ref.safetensors", "body.safetensors"],
            image_encoder_folder=None, low_cpu_mem_usage=False, local_files_only=True,
        )
        pipe.set_ip_adapter_scale(settings["scales"])
        rows = [embeddings[which][:, None] for which in ("ref", "body")]
        if is_guided:  # what guidance leads away from comes first
            rows = [torch.cat([torch.zeros_like(row), row]) for row in rows]
        added = iter(noise[1:])
        scheduling_ddpm.randn_tensor = lambda *_given, **_options: next(added)
        latents = pipe(
            settings["prompt"], negative_prompt=settings["negative"], height=settings["height"], width=settings["width"],
            num_inference_steps=settings["steps"], guidance_scale=settings["guidance"], latents=noise[0].clone(),
            ip_adapter_image_embeds=rows, output_type="latent",
        ).images
        pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
        drawn[f"{name}.latents"] = latents.contiguous()
        drawn[f"{name}.pixels"] = (pixels / 2 + 0.5).clamp(0, 1).contiguous()
    save_file(drawn, folder / "drawn.safetensors")


if __name__ == "__main__":
    with torch.no_grad():
        if sys.argv[1] == "make":
            make(Path(sys.argv[2]), sys.argv[3])
        else:
            draw(Path(sys.argv[2]))

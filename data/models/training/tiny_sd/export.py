"""Writes the demo base as diffusers lays a Stable Diffusion out, weights as f16.

    python export.py --work DIR --out ../../tiny-sd

What is not trained yet is written as it starts out, so that loaders can be tried early.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPTokenizer

import networks

PARTS = {
    "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": [None, None],
}


def averaged(path: Path) -> dict | None:
    """The averaged weights of a checkpoint, if it is there."""
    return torch.load(path)["average"] if path.exists() else None


def part(state: dict | None, prefix: str) -> dict | None:
    """The weights of one of the networks that were trained together."""
    return state and {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def text_half(clip: dict | None, base: dict | None) -> dict | None:
    """The text encoder as the UNet learned with it; train_clip.py trains its projection, which the UNet does not use."""
    text = part(base, "text.")
    projection = part(clip, "text.") if clip else None
    return text and text | {key: projection[key] for key in projection or {} if key.startswith("text_projection.")}


def whole_clip(text: CLIPTextConfig) -> CLIPModel:
    """Both halves, for what compares pictures with captions."""
    vision = networks.vision().config
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=networks.WIDTH))


def joined(clip: dict) -> dict:
    """The weights of train_clip.py by the names of a whole CLIP model."""
    named = {key.split(".", 1)[1]: value for key, value in clip.items() if key.startswith(("text.", "vision."))}
    return named | {"logit_scale": clip["scale"]}


def put(model: torch.nn.Module, state: dict | None, folder: Path) -> None:
    """Saves a network as f16."""
    torch.manual_seed(1)
    if state:
        model.load_state_dict(state)
    model.half().save_pretrained(folder)


def write(work: Path, out: Path) -> None:
    """The folder from a work folder's checkpoints (vae.pt, clip.pt, unet.pt, scale.json, tokenizer/)."""
    shutil.copytree(work / "tokenizer", out / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer")
    text = networks.text(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    clip, base = averaged(work / "clip.pt"), averaged(work / "unet.pt")
    put(text, text_half(clip, base), out / "text_encoder")
    rename(out / "text_encoder")
    put(networks.vision(), part(clip, "vision."), out / "image_encoder")
    side = {"height": networks.LOOK, "width": networks.LOOK}
    CLIPImageProcessor(size={"shortest_edge": networks.LOOK}, crop_size=side).save_pretrained(out / "feature_extractor")
    if clip:
        put(whole_clip(text.config), joined(clip), out / "clip")
        shutil.copytree(out / "tokenizer", out / "clip", dirs_exist_ok=True)
    vae = networks.vae()
    if (work / "scale.json").exists():
        vae.register_to_config(scaling_factor=json.loads((work / "scale.json").read_text()))
    put(vae, averaged(work / "vae.pt"), out / "vae")
    if (work / "components.safetensors").exists():
        # what the encoder is made of: a training that goes on from these files needs it for its latents
        shutil.copy(work / "components.safetensors", out / "vae")
    put(networks.unet(), part(base, "unet."), out / "unet")
    DPMSolverMultistepScheduler(**networks.SCHEDULE).save_pretrained(out / "scheduler")
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1", **PARTS}
    index |= {"requires_safety_checker": False}
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def rename(folder: Path) -> None:
    """Stable Diffusion's pipeline wants the class without the projection. The tensor stays: CLIP's text half needs it."""
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["CLIPTextModel"]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="the folder with the trainings' checkpoints")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    beside = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    write(args.work, beside)
    if args.out.exists():
        # the card and its pictures stay
        for item in [item for item in args.out.iterdir() if item.is_file() and item.name != "model_index.json"]:
            shutil.copy(item, beside)
        old = args.out.with_name(args.out.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        os.replace(args.out, old)
    os.replace(beside, args.out)
    shutil.rmtree(args.out.with_name(args.out.name + ".old"), ignore_errors=True)
    size = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file())
    print(f"{args.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

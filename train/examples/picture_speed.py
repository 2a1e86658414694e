"""The diffusers half of picture_speed.rs.

    python picture_speed.py make FOLDER BASE

Writes FOLDER/adapter (two streams with random weights for BASE) and FOLDER/embeddings.safetensors. A BASE that is not there
is made first: SD 1.5's shape with random weights.

    python picture_speed.py measure FOLDER BASE THREADS ROUNDS STEPS SIDE

Prints one JSON object: seconds of the fastest picture after one that is not counted, peak memory.
"""
import json
import sys
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

sys.path.append(str(Path(__file__).parents[1] / "tests/python"))
import pipelines  # noqa: E402
from ip_adapter import make as make_adapter  # noqa: E402
from unet_speed import FAMILIES  # noqa: E402

PROMPT = "a photo of a woman"
SCALES = [0.7, 0.4]
# Widths of an image encoder's embeddings and of the body's.
EMBEDDINGS = {"ref": 1024, "body": 756}


def make_base(folder, base):
    torch.manual_seed(1)
    levels = 4
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=512,
    )
    words = pipelines.tokenizer(folder / "words", "<|endoftext|>")
    end = len(words) - 1
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(words), hidden_size=768, intermediate_size=3072, projection_dim=768, num_hidden_layers=12,
        num_attention_heads=12, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
    ))
    pipe = StableDiffusionPipeline(
        vae=vae, unet=UNet2DConditionModel(**FAMILIES["sd15"]), tokenizer=words, text_encoder=text, safety_checker=None,
        scheduler=DDIMScheduler(**pipelines.SCHEDULE, clip_sample=False, set_alpha_to_one=False), feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(base)


def make(folder, base):
    folder.mkdir(parents=True, exist_ok=True)
    if not base.exists():
        make_base(folder, base)
    beside = folder / "for_adapter"
    beside.mkdir()
    (beside / "unet").symlink_to((base / "unet").resolve())
    (folder / "adapter").mkdir()
    for name, width in EMBEDDINGS.items():
        make_adapter(beside, width)
        (beside / "made.safetensors").rename(folder / "adapter" / f"{name}.safetensors")
    save_file({name: torch.randn(1, width) for name, width in EMBEDDINGS.items()}, folder / "embeddings.safetensors")


@torch.no_grad()
def measure(folder, base, threads, rounds, steps, side):
    torch.set_num_threads(threads)
    pipe = StableDiffusionPipeline.from_pretrained(base, torch_dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.load_ip_adapter(
        [str(folder / "adapter")] * 2, subfolder=[""] * 2, weight_name=["ref.safetensors", "body.safetensors"],
        image_encoder_folder=None, low_cpu_mem_usage=False, local_files_only=True,
    )
    pipe.set_ip_adapter_scale(SCALES)
    embeddings = load_file(folder / "embeddings.safetensors")
    rows = [embeddings[name][:, None] for name in EMBEDDINGS]
    rows = [torch.cat([torch.zeros_like(row), row]) for row in rows]
    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        pipe(PROMPT, height=side, width=side, num_inference_steps=steps, guidance_scale=4.0, ip_adapter_image_embeds=rows)
        seconds.append(time.perf_counter() - begin)
    status = Path("/proc/self/status").read_text().split("VmHWM:")
    peak = int(status[1].split()[0]) / 2**20 if len(status) > 1 else 0
    import diffusers

    print(json.dumps({"seconds": min(seconds[1:]), "peak_gib": peak, "version": diffusers.__version__}))


if __name__ == "__main__":
    command, folder, base, *numbers = sys.argv[1:]
    if command == "make":
        make(Path(folder), Path(base))
    else:
        measure(Path(folder), Path(base), *map(int, numbers))

"""The PyTorch half of unet_speed.rs.

    python unet_speed.py make FOLDER FAMILY

Writes FOLDER/unet (config.json, weights in f32 and fp16) with random weights, FOLDER/{ref,body}.safetensors (adapters
in the IP-Adapter layout) and FOLDER/inputs.safetensors. FAMILY is sd15 or tiny.

    python unet_speed.py measure FOLDER MODE THREADS ROUNDS

MODE is forward, step (forward and backward) or train (a step of an adapter's training). Prints one JSON object: seconds
of the fastest round, peak memory. `step` also writes FOLDER/torch.safetensors: the prediction and some gradients.
"""
import json
import math
import sys
import time
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

FAMILIES = {
    "sd15": dict(sample_size=64, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=768),
    "tiny": dict(sample_size=32, attention_head_dim=8, block_out_channels=(32, 64, 64), cross_attention_dim=64,
                 norm_num_groups=8, layers_per_block=1,
                 down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
                 up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D")),
}
# Widths of CLIP ViT-H's image embeddings and of the body's.
EMBEDDINGS = {"ref": 1024, "body": 756}
SCALES = [0.7, 0.4]
# Pictures of a training step, and their latents' side.
PICTURES = 4
SIDE = 16


def make(folder, family):
    torch.manual_seed(1)
    unet = UNet2DConditionModel(**FAMILIES[family])
    unet.save_pretrained(folder / "unet")
    cross, side = unet.config.cross_attention_dim, unet.config.sample_size
    modules = dict(unet.named_modules())
    layers = [n[: -len(".processor")] for n in unet.attn_processors if n.endswith("attn2.processor")]
    inputs = {"latents": torch.randn(1, 4, side, side), "text": torch.randn(1, 77, cross),
              "target": torch.randn(1, 4, side, side)}
    for which, width in EMBEDDINGS.items():
        adapter = {
            "image_proj.proj.weight": torch.randn(4 * cross, width) / math.sqrt(width),
            "image_proj.proj.bias": torch.zeros(4 * cross),
            "image_proj.norm.weight": torch.ones(cross),
            "image_proj.norm.bias": torch.zeros(cross),
        }
        for i, layer in enumerate(layers):
            for kv in "kv":
                weight = torch.randn(modules[layer].to_q.out_features, cross) / math.sqrt(cross)
                adapter[f"ip_adapter.{2 * i + 1}.to_{kv}_ip.weight"] = weight
        save_file(adapter, folder / f"{which}.safetensors")
        inputs[which] = torch.randn(1, width)
    save_file(inputs, folder / "inputs.safetensors")
    unet.half().save_pretrained(folder / "unet", variant="fp16")


def measure(folder, mode, threads, rounds):
    step = mode != "forward"
    torch.set_num_threads(threads)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval().requires_grad_(False)
    adapters = []
    for which in EMBEDDINGS:
        tensors = load_file(folder / f"{which}.safetensors")
        parts = {"image_proj": {}, "ip_adapter": {}}
        for name, tensor in tensors.items():
            part, rest = name.split(".", 1)
            # The loader takes the names of the first public adapters.
            parts[part][rest] = tensor
        adapters.append(parts)
    unet._load_ip_adapter_weights(adapters)
    trained = []
    for processor in unet.attn_processors.values():
        if hasattr(processor, "to_k_ip"):
            processor.scale = SCALES
            trained += processor.parameters()
    trained += unet.encoder_hid_proj.parameters()
    for parameter in trained:
        parameter.requires_grad_(step)
    x = load_file(folder / "inputs.safetensors")
    latents = x["latents"].requires_grad_(step)
    timesteps = torch.tensor([500])
    images = [x[which][:, None] for which in EMBEDDINGS]
    optimiser = None
    if mode == "train":
        rounds = max(rounds, 3)
        cut = [x[name].detach()[..., :SIDE, :SIDE].repeat(PICTURES, 1, 1, 1) for name in ("latents", "target")]
        latents, x["target"] = cut
        timesteps, x["text"] = timesteps.repeat(PICTURES), x["text"].repeat(PICTURES, 1, 1)
        images = [image.repeat(PICTURES, 1, 1) for image in images]
        optimiser = torch.optim.AdamW(trained, lr=1e-4, fused=True)

    found = {}

    def run():
        for tensor in [latents, *trained]:
            tensor.grad = None
        with torch.set_grad_enabled(step):
            added = {"image_embeds": images}
            out = unet(latents, timesteps, x["text"], added_cond_kwargs=added).sample
            if step:
                loss = torch.nn.functional.mse_loss(out, x["target"])
                loss.backward()
                found["loss"] = loss.item()
            if optimiser:
                optimiser.step()
        return out

    fastest = math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        out = run()
        fastest = min(fastest, time.perf_counter() - start)
    if mode == "step":
        first = next(p for p in unet.attn_processors.values() if hasattr(p, "to_k_ip"))
        save_file({"prediction": out.detach().contiguous(), "latents": latents.grad,
                   "ref.1.to_k_ip": first.to_k_ip[0].weight.grad, "body.1.to_v_ip": first.to_v_ip[1].weight.grad},
                  folder / "torch.safetensors")
    status = Path("/proc/self/status").read_text().split("VmHWM:")
    peak = int(status[1].split()[0]) / 2**20 if len(status) > 1 else 0
    print(json.dumps({**found, "seconds": fastest, "peak_gib": peak, "version": torch.__version__}))


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    if sys.argv[1] == "make":
        make(folder, sys.argv[3])
    else:
        measure(folder, sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))

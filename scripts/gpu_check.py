"""The PyTorch half of gpu_check.sh: the same operations and steps as train/examples/gpu_check, and the table of both.

    python gpu_check.py ops|sd15|sdxl [--device cuda|cpu] [--tiny] [--compile] [--checkpointing]
    python gpu_check.py table RESULTS.jsonl

The first prints one JSON object. The second reads what both printed, a line each, and prints Markdown; it ends with 1 where a
part failed or its numbers are off.
"""
import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

# Of the golden networks in f32, ‖found − expected‖ / ‖expected‖: kernels that are right differ by rounding alone, in TF32, which
# a card may multiply in, by 5e-4 a factor. How far bf16 may be apart is not known before it was seen on a card.
MOST_APART_F32 = 1e-3
# Of a kernel and the same composed of candle's operators, in bf16, whose steps are 4e-3: a wrong index is far beyond it.
MOST_APART_KERNELS = 5e-2
# Milliseconds are medians of as many rounds.
ROUNDS = 20


def parts(arguments):
    import torch

    device = torch.device(arguments.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    kind = torch.float32 if device.type == "cpu" else torch.bfloat16
    found = ops(torch, device, kind, arguments) if arguments.part == "ops" else steps(torch, device, kind, arguments)
    head = {"part": arguments.part, "version": torch.__version__, "device": arguments.device,
            "compute": str(kind).split(".")[1], "tiny": arguments.tiny}
    print(json.dumps({**head, **found}))


def synchronize(torch, device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def milliseconds(torch, device, rounds, work):
    work()
    found = []
    for _ in range(rounds):
        synchronize(torch, device)
        start = time.perf_counter()
        work()
        synchronize(torch, device)
        found.append(1e3 * (time.perf_counter() - start))
    return statistics.median(found)


def ops(torch, device, kind, arguments):
    functional = torch.nn.functional
    batch, factor = (1, 8) if arguments.tiny else (16, 1)
    rounds = 2 if arguments.tiny else ROUNDS

    def random(*shape):
        return torch.randn(*shape, device=device, dtype=kind)

    rows = []

    def measure(name, shape, inputs, run):
        with torch.no_grad():
            forward = milliseconds(torch, device, rounds, lambda: run(*inputs))
            upstream = torch.ones_like(run(*inputs))
        tracked = [x.detach().requires_grad_() for x in inputs]
        both = milliseconds(torch, device, rounds, lambda: torch.autograd.grad(run(*tracked), tracked, upstream))
        rows.append({"op": name, "shape": str(list(shape)), "forward_ms": forward, "with_backward_ms": both})

    for channels, side in [(320, 64), (640, 32), (1280, 16)]:
        channels, side = channels // factor, side // factor
        shape, lines = (batch, channels, side, side), (batch, side * side, channels)
        weight = 0.01 * random(channels, channels, 3, 3)
        gain, shift = torch.ones(channels, device=device, dtype=kind), torch.ones(channels, device=device, dtype=kind)
        measure("frozen convolution 3x3", shape, [random(*shape)],
                lambda x, w=weight: functional.conv2d(x, w, padding=1))
        measure("group norm and SiLU", shape, [random(*shape)],
                lambda x, g=gain, s=shift: functional.silu(functional.group_norm(x, 8, g, s)))

        def attention(q, k, v):
            q, k, v = (t.unflatten(2, (8, -1)).transpose(1, 2) for t in (q, k, v))
            return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

        measure("attention, 8 heads", lines, [random(*lines) for _ in range(3)], attention)
        measure("layer norm", lines, [random(*lines)],
                lambda x, g=gain, s=shift: functional.layer_norm(x, (x.shape[-1],), g, s))
        wide = (batch, side * side, 8 * channels)

        def geglu(x):
            value, gate = x.chunk(2, -1)
            return value * functional.gelu(gate)

        measure("GEGLU", wide, [random(*wide)], geglu)
        weight = 0.01 * random(8 * channels, channels)
        measure("frozen linear layer", lines, [random(*lines)], lambda x, w=weight: functional.linear(x, w))
    side = 128 if arguments.tiny else 8192
    measure("matrix product", (side, side), [random(side, side), random(side, side)], torch.matmul)
    return {"rows": rows}


def unet_config(family, tiny):
    if family == "sdxl":
        config = dict(sample_size=128, block_out_channels=(320, 640, 1280), attention_head_dim=(5, 10, 20),
                      cross_attention_dim=2048, transformer_layers_per_block=(1, 2, 10), use_linear_projection=True,
                      down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                      up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                      addition_embed_type="text_time", addition_time_embed_dim=256,
                      projection_class_embeddings_input_dim=2816)
        small = dict(transformer_layers_per_block=(1, 2, 2))
    else:
        config = dict(sample_size=64, block_out_channels=(320, 640, 1280, 1280), attention_head_dim=8,
                      cross_attention_dim=768)
        small = {}
    if tiny:
        config.update(block_out_channels=tuple(c // 10 for c in config["block_out_channels"]), attention_head_dim=2,
                      cross_attention_dim=32, norm_num_groups=8, **small)
    return config


def steps(torch, device, kind, arguments):
    from diffusers import UNet2DConditionModel

    torch.manual_seed(1)
    batch, side = (2, 8) if arguments.tiny else (4, 128) if arguments.part == "sdxl" else (16, 64)
    warm, count = (1, 2) if arguments.tiny else (5, 50)
    with torch.device(device):
        unet = UNet2DConditionModel(**unet_config(arguments.part, arguments.tiny)).to(kind)
    unet.requires_grad_(False)
    cross = unet.config.cross_attention_dim
    modules = dict(unet.named_modules())
    layers = [name[: -len(".processor")] for name in unet.attn_processors if name.endswith("attn2.processor")]
    adapters = []
    for width in (1024, 756):
        layer = {}
        for index, name in enumerate(layers):
            for part in "kv":
                out = modules[name].to_q.out_features
                layer[f"{2 * index + 1}.to_{part}_ip.weight"] = torch.randn(out, cross) / math.sqrt(cross)
        projection = {"proj.weight": torch.randn(4 * cross, width) / math.sqrt(width), "proj.bias": torch.zeros(4 * cross),
                      "norm.weight": torch.ones(cross), "norm.bias": torch.zeros(cross)}
        adapters.append({"image_proj": projection, "ip_adapter": layer})
    unet._load_ip_adapter_weights(adapters)
    unet.to(device)
    trained = [*unet.encoder_hid_proj.parameters()]
    for processor in unet.attn_processors.values():
        if hasattr(processor, "to_k_ip"):
            processor.scale = [1.0, 1.0]
            trained += processor.parameters()
    # Masters in f32, cast where they are used: what autocast does.
    for parameter in trained:
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    if arguments.checkpointing:
        unet.enable_gradient_checkpointing()
    model = torch.compile(unet) if arguments.compile else unet
    optimiser = torch.optim.AdamW(trained, lr=1e-4, fused=True)

    def random(*shape, dtype=kind):
        return torch.randn(*shape, device=device, dtype=dtype)

    latents, target = random(batch, 4, side, side), random(batch, 4, side, side, dtype=torch.float32)
    text = random(batch, 77, cross)
    added = {"image_embeds": [random(batch, 1, 1024), random(batch, 1, 756)]}
    if arguments.part == "sdxl":
        added |= {"text_embeds": random(batch, 1280), "time_ids": torch.full((batch, 6), 1024.0, device=device)}
    timesteps = (1000 * (torch.arange(batch, device=device) + 0.5) / batch).long()
    times = [0.0] * 3

    def run(timed=False):
        lap = time.perf_counter()

        def phase(at):
            nonlocal lap
            if timed:
                synchronize(torch, device)
                times[at], lap = 1e3 * (time.perf_counter() - lap), time.perf_counter()

        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            out = model(latents, timesteps, text, added_cond_kwargs=added).sample
        loss = torch.nn.functional.mse_loss(out.float(), target)
        phase(0)
        loss.backward()
        phase(1)
        optimiser.step()
        phase(2)
        return loss

    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    flops = None
    if not arguments.compile:
        with counter:
            run()
        flops = counter.get_total_flops()
    for _ in range(warm):
        run()
    synchronize(torch, device)
    losses = []
    start = time.perf_counter()
    for _ in range(count):
        losses.append(run().item())
    synchronize(torch, device)
    step = 1e3 * (time.perf_counter() - start) / count
    run(timed=True)
    peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None
    return {"batch": batch, "latents": side, "steps": count, "checkpointing": arguments.checkpointing, "step_ms": step,
            "images_per_s": 1e3 * batch / step, "forward_ms": times[0], "backward_ms": times[1],
            "optimiser_ms": times[2], "allocated_gib": peak, "flops": flops, "finite": all(map(math.isfinite, losses)),
            "trained": sum(p.numel() for p in trained)}


def number(value, how):
    """A number as text; JSON has null for one that is not finite."""
    return "not finite" if value is None or not math.isfinite(value) else format(value, how)


def problems(results):
    """What failed, and what is out of its bounds. A part that failed and then succeeded with less memory did not fail."""
    found = []
    done = {(r["part"], r.get("by")) for r in results if "skipped" not in r and "failed" not in r}
    for r in results:
        part, by = r["part"], r.get("by")
        if "failed" in r:
            if (part, by) not in done:
                found.append(f"{part} ({by}): {r['failed']}")
        elif part == "golden":
            for name, line in r.items():
                if not isinstance(line, dict):
                    continue
                for key in ("prediction_apart", "gradients_apart_at_most"):
                    apart = line.get(key)
                    if apart is None or not math.isfinite(apart):
                        found.append(f"golden, {name}: {key} is not finite")
                    elif name.endswith(" f32") and not apart <= MOST_APART_F32:
                        found.append(f"golden, {name}: {key} = {apart:.1e}, at most {MOST_APART_F32:.0e}")
        elif part == "ops":
            for row in r["rows"]:
                apart = row.get("composed_apart", 0.0)
                if apart is None or not apart <= MOST_APART_KERNELS:
                    found.append(f"{row['op']} {row['shape']}: kernels and composed are {apart} apart, at most "
                                 f"{MOST_APART_KERNELS:.0e}")
        elif part in ("sd15", "sdxl", "vae") and "skipped" not in r and r.get("finite") is not True:
            found.append(f"{part} ({by}): losses are not finite")
    return found


def table(results):
    wrong = problems(results)
    head = next((r for r in results if r["part"] == "machine"), {})
    lines = [f"card: {head.get('card', 'none')}  date: {head.get('date')}  commit: {head.get('commit')}", ""]
    skipped = [f"- {r['part']} ({r['by']}): {r['skipped']}" for r in results if "skipped" in r]
    done = [r for r in results if "skipped" not in r and "failed" not in r]
    for r in done:
        if r["part"] == "golden":
            lines += ["| golden | prediction apart | gradients apart at most |", "|---|---|---|"]
            lines += [f"| {name} | {number(line['prediction_apart'], '.1e')} | "
                      f"{number(line['gradients_apart_at_most'], '.1e')} |"
                      for name, line in r.items() if isinstance(line, dict)] + [""]
        if r["part"] == "audit":
            lines += [f"audit: {r['trainable_with_gradients']} tensors with gradients", ""]
    rate = None
    by = {(r["part"], r["by"]): r for r in done}
    ours, theirs = by.get(("ops", "bolid")), by.get(("ops", "PyTorch"))
    if ours:
        lines += ["| operation | shape | bolid fwd, ms | fwd+bwd | PyTorch fwd, ms | fwd+bwd | ratio fwd+bwd |",
                  "|---|---|---|---|---|---|---|"]
        other = {(row["op"], row["shape"]): row for row in (theirs or {"rows": []})["rows"]}
        for row in ours["rows"]:
            match = other.get((row["op"], row["shape"]))
            cells = [f"{row['forward_ms']:.3f}", f"{row['with_backward_ms']:.3f}"]
            cells += ["", "", ""] if match is None else [
                f"{match['forward_ms']:.3f}", f"{match['with_backward_ms']:.3f}",
                f"{row['with_backward_ms'] / match['with_backward_ms']:.2f}"]
            lines.append(f"| {row['op']} | {row['shape']} | " + " | ".join(cells) + " |")
        lines.append("")
    fused = [row for row in ours["rows"] if "composed_forward_ms" in row] if ours else []
    if fused:
        lines += ["| in one pass | shape | fwd, ms | fwd+bwd | composed fwd, ms | fwd+bwd | ratio fwd+bwd | apart |",
                  "|---|---|---|---|---|---|---|---|"]
        for row in fused:
            apart = number(row["composed_apart"], ".1e") if "composed_apart" in row else ""
            lines.append(f"| {row['op']} | {row['shape']} | {row['forward_ms']:.3f} | {row['with_backward_ms']:.3f} | "
                         f"{row['composed_forward_ms']:.3f} | {row['composed_with_backward_ms']:.3f} | "
                         f"{row['with_backward_ms'] / row['composed_with_backward_ms']:.2f} | {apart} |")
        lines.append("")
    for r in (ours, theirs):
        for row in r["rows"] if r else []:
            if row["op"] == "matrix product":
                side = json.loads(row["shape"])[0]
                rate = max(rate or 0, 2 * side**3 / (row["forward_ms"] / 1e3))
    rows = [r for r in done if r["part"] in ("sd15", "sdxl")]
    if rows:
        lines += ["| step | by | ms | images/s | forward | backward | optimiser | peak GiB | of the card's rate | finite |",
                  "|---|---|---|---|---|---|---|---|---|---|"]
        for r in rows:
            flops = by.get((r["part"], "PyTorch"), {}).get("flops")
            share = f"{flops / (r['step_ms'] / 1e3) / rate:.0%}" if flops and rate else ""
            peak = f"{r['peak_gib']:.1f}" if r.get("peak_gib") else ""
            what = f"{r['part']}, batch {r['batch']}, {r['latents']}²" + (", checkpointed" if r["checkpointing"] else "")
            lines.append(f"| {what} | {r['by']} | {r['step_ms']:.1f} | {r['images_per_s']:.1f} | {r['forward_ms']:.1f} | "
                         f"{r['backward_ms']:.1f} | {r['optimiser_ms']:.1f} | {peak} | {share} | {r['finite']} |")
        lines.append("")
    for r in done:
        if r["part"] == "vae":
            lines.append(f"body-VAE: {r['views_per_s']:.0f} views/s, {r['step_ms']:.1f} ms a step of "
                         f"{r['people']} × {r['views']} views, finite: {r['finite']}")
        if r["part"] == "picture":
            lines.append(f"picture of {r['side_px']}² in {r['steps']} steps with guidance: {r['picture_ms']:.0f} ms")
    if skipped:
        lines += ["", "not run:"] + skipped
    if wrong:
        lines += ["", "failed:"] + [f"- {said}" for said in wrong]
    print("\n".join(lines))
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["ops", "sd15", "sdxl", "table"])
    parser.add_argument("results", nargs="?")
    parser.add_argument("--device", default="cuda")
    for flag in ("--tiny", "--compile", "--checkpointing"):
        parser.add_argument(flag, action="store_true")
    arguments = parser.parse_args()
    if arguments.part == "table":
        lines = Path(arguments.results).read_text().splitlines()
        sys.exit(table([json.loads(line) for line in lines if line.strip()]))
    else:
        parts(arguments)


if __name__ == "__main__":
    main()

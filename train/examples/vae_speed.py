"""A training step of the body-VAE in PyTorch, as `vae_speed.rs` has it: the same layers, shapes, losses and optimiser.

    python vae_speed.py PEOPLE VIEWS DRAWN CHANNELS BLOCKS ROUNDS THREADS

Prints JSON: seconds of the fastest step and of CPU time per step, the number of parameters, PyTorch's version.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

LATENT, WIDTH, HEADS, STRIP_WIDTH = 756, 128, 4, 192
POOLS, STRIPS, POSE_FEATURES, POSE_MAPS = 18, 10, 87, 33
TOKENS = POOLS + STRIPS + 1
LIMB_VALUES, TRUNK_VALUES, HEAD_VALUES = 1152, 1728, 768
ESTIMATES = 17 + 16 + 4 + 5


def norm_conv(inputs, outputs):
    return nn.Sequential(nn.GroupNorm(8, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(norm_conv(channels, channels), norm_conv(channels, channels))

    def forward(self, x):
        return x + self.layers(x)


def two_layers(inputs):
    return nn.Sequential(nn.Linear(inputs, STRIP_WIDTH), nn.GELU(), nn.Linear(STRIP_WIDTH, WIDTH))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.feed_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x, tokens, mask):
        batch, count, _ = x.shape
        normed = self.norm(x)
        source = normed if tokens is None else self.norm(tokens)

        def split(y):
            return y.view(batch, -1, HEADS, WIDTH // HEADS).transpose(1, 2)

        gathered = F.scaled_dot_product_attention(
            split(self.query(normed)), split(self.key(source)), split(self.value(source)), attn_mask=mask
        )
        x = x + self.out(gathered.transpose(1, 2).reshape(batch, count, WIDTH))
        return x + self.feed(self.feed_norm(x))


class BodyVae(nn.Module):
    def __init__(self, channels, blocks):
        super().__init__()
        self.stem = nn.Conv2d(192, channels, 1)
        self.blocks = nn.Sequential(*[Residual(channels) for _ in range(blocks)])
        self.pool_norm = nn.LayerNorm(channels)
        self.pool_weight = nn.Parameter(torch.randn(POOLS, channels, WIDTH) / channels**0.5)
        self.limbs = nn.ModuleList([two_layers(LIMB_VALUES) for _ in range(4)])
        self.trunk, self.head = two_layers(TRUNK_VALUES), two_layers(HEAD_VALUES)
        self.place = nn.Parameter(torch.zeros(1, TOKENS, WIDTH))
        self.pose_wide = nn.Linear(POSE_FEATURES, 2 * WIDTH)
        self.pose, self.joints = nn.Linear(2 * WIDTH, WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.view_layer = Attention()
        self.set_layers = nn.ModuleList([Attention() for _ in range(2)])
        self.refined_wide, self.refined = nn.Linear(POSE_FEATURES, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.norm, self.hidden = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.mean, self.precision = nn.Linear(2 * WIDTH, LATENT), nn.Linear(2 * WIDTH, LATENT)
        self.offsets = nn.ModuleList([nn.Linear(WIDTH, 2 * n) for n in (1, 2, 4, 5)])
        coarse, fine = 64, 32
        self.codes = nn.Linear(LATENT, (POSE_MAPS + 1) * coarse)
        self.decoder_place = nn.Parameter(torch.zeros(1, coarse, 16, 16))
        self.coarse_pose = nn.Conv2d(POSE_MAPS, coarse, 3, padding=1, bias=False)
        self.coarse, self.widen = Residual(coarse), norm_conv(coarse, fine)
        self.fine_pose = nn.Conv2d(POSE_MAPS, fine, 3, padding=1, bias=False)
        self.fine, self.draw = Residual(fine), norm_conv(fine, 48)

    def encode(self, views, sets):
        count = len(views["pixels"])
        x = self.blocks(self.stem(views["pixels"].float() * (2 / 255) - 1))
        pooled = self.pool_norm(torch.bmm(views["pooling"], x.flatten(2).transpose(1, 2)))
        seen = [torch.bmm(pooled.transpose(0, 1), self.pool_weight).transpose(0, 1)]
        limbs = views["limbs"].view(count, 4, 2, LIMB_VALUES)
        seen += [layers(limbs[:, kind]) for kind, layers in enumerate(self.limbs)]
        seen += [self.trunk(views["trunk"])[:, None], self.head(views["head"])[:, None]]
        hidden = F.gelu(self.pose_wide(views["pose"]))
        seen = torch.cat(seen, 1) + self.joints(hidden)[:, None]
        tokens = torch.cat([seen, self.pose(hidden)[:, None]], 1) + self.place
        tokens = self.view_layer(tokens, None, views["gates"][:, None, None])
        rows, per_row = sets["sight"].shape[:2]
        # ours reads the joints again where the offsets put them; here they stand for themselves
        refined = self.refined(F.gelu(self.refined_wide(views["pose"])))
        summary = ((views["shares"][:, None] @ tokens).squeeze(1) + refined).view(rows, per_row, WIDTH)
        mask = (sets["sight"][..., None] + views["gates"].view(rows, 1, per_row, TOKENS)).view(rows, 1, per_row, -1)
        of_set = tokens.view(rows, per_row * TOKENS, WIDTH)
        for layer in self.set_layers:
            summary = layer(summary, of_set, mask)
        hidden = F.gelu(self.hidden(self.norm(summary)))
        return tokens, self.mean(hidden), (8 * torch.tanh(self.precision(hidden) / 8)).exp()

    def read_offsets(self, tokens):
        count = len(tokens)
        spans = ((0, 17), (POOLS, 8), (POOLS + 8, 1), (POOLS + 9, 1))
        read = [layer(tokens[:, at : at + n]).view(count, -1, 2) for layer, (at, n) in zip(self.offsets, spans)]
        return torch.cat(read, 1)

    def decode(self, c_body, coarse_maps, fine_maps):
        count = len(c_body)
        codes = self.codes(c_body).view(count, 64, POSE_MAPS + 1)
        placed = torch.bmm(codes[:, :, :POSE_MAPS], coarse_maps.flatten(2)).view(count, 64, 16, 16)
        x = placed + self.coarse_pose(coarse_maps) + codes[:, :, POSE_MAPS:, None] + self.decoder_place
        x = self.widen(F.interpolate(self.coarse(x), scale_factor=2))
        return self.draw(self.fine(x + self.fine_pose(fine_maps)))


def log_partition(precision, shift):
    return 0.5 * (shift * shift / precision - precision.log()).sum(-1)


def found(logits):
    own = torch.arange(len(logits))
    return 0.5 * (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))


def loss(model, batch):
    sets, target = batch["sets"], batch["target"]
    tokens, mean, precision = model.encode(batch["views"], sets)
    weights = sets["weights"]
    tau = (weights @ precision + 1).flatten(0, 1)
    shift = (weights @ (precision * mean)).flatten(0, 1)
    means = shift / tau
    drawn = means[target["from"]] + batch["noise"] * tau[target["from"]] ** -0.5
    pictures = model.decode(drawn, target["coarse"], target["fine"])
    squares = (pictures - (target["pixels"].float() * (2 / 255) - 1)) ** 2
    squares = squares.view(len(drawn), 3, -1) * target["weights"][:, None]
    reconstruction = (squares.sum((1, 2)) / (3 * target["weights"].sum(1))).mean()
    kl = (0.5 * (1 / tau + means * means + tau.log() - 1)).mean(0)
    tau1, tau2, shift1, shift2 = tau[0::2], tau[1::2], shift[0::2], shift[1::2]
    both = log_partition(tau1[:, None] + tau2[None] - 1, shift1[:, None] + shift2[None])
    evidence = both - log_partition(tau1, shift1)[:, None] - log_partition(tau2, shift2)[None]
    centred = F.normalize(means - means.mean(0, keepdim=True), dim=1)
    cosine = centred[0::2] @ centred[1::2].T / 0.3
    error = ((model.read_offsets(tokens) - batch["moved"]) ** 2).sum(-1)
    offsets = ((error + 1).sqrt() - 1).mean()
    return 10 * reconstruction + 1e-3 * F.relu(kl - 0.01).sum() + found(evidence / 48) + found(cosine) + offsets


def random_batch(people, views, drawn):
    count = people * views
    gates = torch.zeros(count, TOKENS)
    side = torch.arange(views) >= views // 2
    sight = torch.where(side[:, None] == side[None], 0.0, -1e4).repeat(people, 1, 1)
    weights = torch.stack([~side, side]).float().repeat(people, 1, 1)
    return {
        "views": {
            "pixels": torch.randint(0, 256, (count, 192, 16, 16), dtype=torch.uint8),
            "pooling": torch.rand(count, POOLS, 256).softmax(-1),
            "limbs": torch.randn(count, 8 * LIMB_VALUES),
            "trunk": torch.randn(count, TRUNK_VALUES),
            "head": torch.randn(count, HEAD_VALUES),
            "pose": torch.randn(count, POSE_FEATURES),
            "gates": gates,
            "shares": gates.softmax(-1),
        },
        "sets": {"sight": sight, "weights": weights},
        "target": {
            "from": torch.arange(drawn),
            "coarse": torch.rand(drawn, POSE_MAPS, 16, 16),
            "fine": torch.rand(drawn, POSE_MAPS, 32, 32),
            "pixels": torch.randint(0, 256, (drawn, 48, 32, 32), dtype=torch.uint8),
            "weights": torch.rand(drawn, 16 * 1024),
        },
        "noise": torch.zeros(drawn, LATENT),
        "moved": torch.zeros(count, ESTIMATES, 2),
    }


def main():
    people, views, drawn, channels, blocks, rounds, threads = map(int, sys.argv[1:8])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = BodyVae(channels, blocks)
    batch = random_batch(people, views, drawn)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    fastest = float("inf")
    before = time.process_time()
    for _ in range(rounds):
        start = time.perf_counter()
        optimiser.zero_grad()
        loss(model, batch).backward()
        optimiser.step()
        fastest = min(fastest, time.perf_counter() - start)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    cpu = (time.process_time() - before) / rounds
    measured = {"seconds": fastest, "cpu_seconds": cpu, "parameters": parameters, "version": torch.__version__}
    print(json.dumps(measured))


main()

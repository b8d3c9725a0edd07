"""The models of benchmarks/model.cpp in PyTorch, float32: encode, decode and a training step.

    vit.py peak_library eager|compile [threads [part of a line's name]]      (run.sh builds the library and calls this)

Same shapes, same operations counted, same columns printed. PyTorch is given what helps it: packed weights in compiled
inference, scaled_dot_product_attention, fused AdamW. Allocators that keep freed memory or use huge pages did not help.
"""

import ctypes
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Config:
    """include/tessera/config.hpp, as far as these models need it: a square image, and equal stacks on both sides."""

    name: str
    image: int
    patch: int
    dim: int
    depth: int
    heads: int
    codes: int
    training_batch: int
    latent_tokens: int = 0  # 0: one token per patch
    class_token: int = 0
    code_dim: int = 12

    @property
    def patches(self):
        return (self.image // self.patch) ** 2

    @property
    def tokens(self):
        return self.latent_tokens or self.patches

    @property
    def patch_values(self):
        return 3 * self.patch**2


CONFIGS = [
    Config("TiTok-B-64-sized", 256, 16, 768, 12, 12, 4096, training_batch=4, latent_tokens=64, class_token=1),
    Config("demo_128", 128, 8, 128, 4, 2, 256, training_batch=8),
]


def encode_flops(c):
    """include/tessera/flops.hpp."""
    embed_and_output = c.patches * c.patch_values * c.dim + c.tokens * c.dim * c.code_dim
    return 2 * (embed_and_output + transformer_products(c, c.tokens) + c.tokens * c.code_dim * c.codes)


def decode_flops(c):
    embed_and_output = c.tokens * c.code_dim * c.dim + c.patches * c.dim * c.patch_values
    return 2 * (embed_and_output + transformer_products(c, c.patches) + 9 * 3 * 3 * c.image**2)


def transformer_products(c, kept):
    rows = c.class_token + c.patches + c.latent_tokens

    def block(queries):
        return 2 * rows * c.dim**2 + 2 * queries * rows * c.dim + queries * 10 * c.dim**2

    return (c.depth - 1) * block(rows) + block(kept)


class Block(nn.Module):
    """x + attention(ln_1(x)), then x + mlp(ln_2(x))."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.in_proj, self.out_proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.c_fc, self.c_proj = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x, kept=None):
        """kept: the rows that are read afterwards; a stack's last block computes no others, as in tessera."""
        y = self.ln_1(x)
        if kept is None:
            q, k, v = self.in_proj(y).chunk(3, -1)
        else:
            dim = x.shape[-1]
            weight, bias = self.in_proj.weight, self.in_proj.bias
            q = F.linear(y[:, kept], weight[:dim], bias[:dim])
            k, v = F.linear(y, weight[dim:], bias[dim:]).chunk(2, -1)
            x = x[:, kept]
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        x = x + self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x))))


class Stack(nn.Module):
    """Positions, ln_pre, blocks, ln_post of the kept rows."""

    def __init__(self, c, kept):
        super().__init__()
        self.kept = kept
        self.class_embedding = nn.Parameter(torch.randn(c.class_token, c.dim) * c.dim**-0.5)
        self.positions = nn.Parameter(torch.randn(c.class_token + c.patches + c.latent_tokens, c.dim) * c.dim**-0.5)
        self.blocks = nn.ModuleList(Block(c.dim, c.heads) for _ in range(c.depth))
        self.ln_pre, self.ln_post = nn.LayerNorm(c.dim), nn.LayerNorm(c.dim)

    def forward(self, *rows):
        batch = rows[0].shape[0]
        x = torch.cat([self.class_embedding.expand(batch, -1, -1), *rows], 1)
        x = self.ln_pre(x + self.positions)
        for block in self.blocks[:-1]:
            x = block(x)
        return self.ln_post(self.blocks[-1](x, self.kept))


class Tokenizer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        first, end = c.class_token, c.class_token + c.patches
        self.encoder = Stack(c, slice(end, None) if c.latent_tokens else None)
        self.decoder = Stack(c, slice(first, end) if c.latent_tokens else None)
        self.patch_embed, self.encoder_out = nn.Linear(c.patch_values, c.dim), nn.Linear(c.dim, c.code_dim)
        self.decoder_embed, self.pixels = nn.Linear(c.code_dim, c.dim), nn.Linear(c.dim, c.patch_values)
        self.conv_out = nn.Conv2d(3, 3, 3, padding=1)
        self.latent_tokens = nn.Parameter(torch.randn(c.latent_tokens, c.dim) * c.dim**-0.5)
        self.mask_token = nn.Parameter(torch.randn(1, c.dim) * c.dim**-0.5)
        self.codebook = nn.Parameter(torch.randn(c.codes, c.code_dim))

    def latents(self, images):
        x = self.patch_embed(F.pixel_unshuffle(images, self.c.patch).flatten(2).transpose(1, 2))
        return F.normalize(self.encoder_out(self.encoder(x, self.latent_tokens.expand(len(images), -1, -1))), dim=-1)

    def image(self, vectors):
        x = self.decoder_embed(vectors)
        if self.c.latent_tokens:
            x = self.decoder(self.mask_token.expand(len(x), self.c.patches, -1), x)
        else:
            x = self.decoder(x)
        side = self.c.image // self.c.patch
        patches = self.pixels(x).transpose(1, 2).unflatten(2, (side, side))
        return self.conv_out(F.pixel_shuffle(patches, self.c.patch))

    def encode(self, images, codes):
        """codes: unit vectors, of which the nearest is the one with the largest product."""
        return (self.latents(images) @ codes.T).argmax(-1)

    def decode(self, ids, codes):
        return self.image(F.embedding(ids, codes))

    def loss(self, images):
        """Reconstruction, codebook and commitment, with the straight-through gradient."""
        codes, z = F.normalize(self.codebook, dim=-1), self.latents(images)
        chosen = F.embedding((z.detach() @ codes.detach().T).argmax(-1), codes)
        image = self.image(z + (chosen - z).detach())
        return F.mse_loss(image, images) + F.mse_loss(chosen, z.detach()) + 0.25 * F.mse_loss(z, chosen.detach())


class Peak:
    """The peak of fused multiply-adds, from the code that benchmarks/model.cpp takes it from: fma_peak.hpp."""

    STEPS = 3_000_000  # some 6 ms, beside which starting Python's threads is nothing

    def __init__(self, library, threads):
        self.run = ctypes.CDLL(library).run_peak  # ctypes lets go of the interpreter's lock
        self.run.restype, self.run.argtypes = ctypes.c_double, [ctypes.c_long]
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)

    def flops_per_second(self):
        if self.threads == 1:
            flops, duration = seconds(1, lambda: self.run(self.STEPS))
        else:
            time.sleep(0.02)  # PyTorch's threads spin for a while after their last work
            flops, duration = seconds(self.threads, lambda: sum(self.pool.map(self.run, [self.STEPS] * self.threads)))
        return flops / duration


def seconds(threads, f):
    """f() and its seconds; one thread is timed by its processor time, more by the wall, as in fma_peak.hpp."""
    clock = time.process_time if threads == 1 else time.perf_counter
    start = clock()
    result = f()
    return result, clock() - start


def report(mode, name, flops, f, peak, repeats=11, limit=20.0):
    """Prints benchmarks/model.cpp's columns (best time and speed, median share of the peak), then the median time.

    Stops early after `limit` seconds, but not before the third repeat.
    """
    f()  # allocates, and compiles where there is something to compile
    durations, shares = [], []
    while len(durations) < 3 or (len(durations) < repeats and sum(durations) < limit):
        flops_per_second = peak.flops_per_second()
        _, duration = seconds(peak.threads, f)
        durations.append(duration)
        shares.append(flops / duration / flops_per_second)
    best = min(durations)
    print(
        f"PyTorch {mode:8}{name:40} {peak.threads}  {best * 1e3:8.2f} ms  {flops / best * 1e-9:7.1f} GFLOP/s  "
        f"{statistics.median(shares) * 100:5.1f} %  median {statistics.median(durations) * 1e3:8.2f} ms",
        flush=True,
    )


def check_flops(name, formula, f):
    """PyTorch's own count must be the formula: else one side would do less work than the other."""
    with torch.enable_grad(), FlopCounterMode(display=False) as counter:  # without gradients the counter fails
        result = f()
    counted = counter.get_total_flops()
    assert counted == formula, f"{name}: PyTorch counts {counted} operations, the formula {formula}"
    assert result.isfinite().all(), f"{name}: a result is not finite"


def run_inference(c, mode, peak, part):
    model = Tokenizer(c).eval()
    image = torch.rand(1, 3, c.image, c.image)
    with torch.no_grad():
        codes = F.normalize(model.codebook, dim=-1)  # once, as Tokenizer's constructor does
        for name, flops, f, argument in [
            (f"{c.name} encode", encode_flops(c), model.encode, image),
            (f"{c.name} decode", decode_flops(c), model.decode, model.encode(image, codes)),
        ]:
            if part not in name:
                continue
            check_flops(name, flops, lambda: f(argument, codes))
            if mode == "compile":  # freezing makes constants of the weights and packs them for the matrix products
                f = torch.compile(f, dynamic=False, options={"freezing": True})
            report(mode, name, flops, lambda: f(argument, codes), peak)


def run_training(c, mode, peak):
    flops = 3 * c.training_batch * (encode_flops(c) + decode_flops(c))  # backward: two products for each of forward's
    images = torch.rand(c.training_batch, 3, c.image, c.image)
    model = Tokenizer(c)
    loss = torch.compile(model.loss, dynamic=False) if mode == "compile" else model.loss
    # Fused: a third of foreach's time.
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.01, fused=True)

    def step():
        value = loss(images)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()
        assert value.isfinite(), f"{c.name}: the loss is not finite"

    report(mode, f"{c.name} training step, batch {c.training_batch}", flops, step, peak)


def main():
    library, mode = sys.argv[1:3]
    assert mode in ("eager", "compile"), f"found {mode}, expected eager or compile"
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    part = sys.argv[4] if len(sys.argv) > 4 else ""
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    peak = Peak(library, threads)
    for c in CONFIGS:
        if part in f"{c.name} encode" or part in f"{c.name} decode":
            run_inference(c, mode, peak, part)
        if part in f"{c.name} training step":
            run_training(c, mode, peak)


if __name__ == "__main__":
    main()

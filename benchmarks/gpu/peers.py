"""PyTorch's times for the rows of this folder's programs, on the same GPU: lines for table.awk.

    peers.py [divisor]      (all.sh calls this; the divisor is the programs')

A row has its program's name. PyTorch is given what helps it: images and tokens lie on the GPU already, weights are bf16
(in training: autocast, beside a fused AdamW), attention is scaled_dot_product_attention, feature maps are channels last,
one image runs in a CUDA graph. The encoder is peers/vit.py's, whose last block computes only what is read; the rest of
titok_b64 is tests/published/compare.py's.
"""

import statistics
import sys
import time
import traceback
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "benchmarks" / "peers"), str(ROOT / "tests" / "published")]

DIVISOR = int(sys.argv[1]) if len(sys.argv) > 1 else 1
FORMATS = {"bf16": torch.bfloat16, "float32": torch.float32}


def milliseconds(f, repeats=15, longest=3.0):
    """The median of measurements of as many calls as take 2 ms: timing.hpp's."""
    f(), f()
    torch.cuda.synchronize()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < 0.1:
        f()
        torch.cuda.synchronize()
        calls += 1
    calls = max(1, min(1000, int(2e-3 * calls / (time.perf_counter() - start))))
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    durations, start = [], time.perf_counter()
    while len(durations) < repeats and (len(durations) < 5 or time.perf_counter() - start < longest):
        begin.record()
        for _ in range(calls):
            f()
        end.record()
        end.synchronize()
        durations.append(begin.elapsed_time(end) / calls)
    return statistics.median(durations)


def divided(count):
    return max(1, count // DIVISOR)


def report(name, mode, f):
    print(f"peer\t{name}\t{mode}\t{milliseconds(f):.4g}", flush=True)


def normal(*shape, dtype=torch.bfloat16):
    return torch.randn(*shape, device="cuda").to(dtype)


def plural(count):
    return f"{count} image" + ("s" if count > 1 else "")


def products():
    for name, dtype in FORMATS.items():
        size = divided(8192)
        x, weight = normal(size, size, dtype=dtype), normal(size, size, dtype=dtype)
        report(f"product, {name}, {size} cubed", "eager", lambda: x @ weight.T)


def attention():
    for name, dtype in FORMATS.items():
        for tokens in (321, 1024, 4096):
            batch = divided(16384 // tokens)
            q, k, v = (normal(batch, 12, tokens, 64, dtype=dtype).requires_grad_() for _ in range(3))
            dy = normal(batch, 12, tokens, 64, dtype=dtype)
            of = f", {name}, {batch} x {tokens} tokens"
            with torch.no_grad():
                report("attention" + of, "eager", lambda: F.scaled_dot_product_attention(q, k, v))
            y = F.scaled_dot_product_attention(q, k, v)
            report("attention backward" + of, "eager", lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True))


@torch.no_grad()
def nearest_code():
    """The better of a product with argmin and cdist, as programs are written; neither is exact in bf16."""
    for name, dtype in FORMATS.items():
        for tokens in (32, 128):
            rows = divided(256) * tokens
            for K, C in ((4096, 12), (8192, 64), (8192, 16)):
                z, codes = normal(rows, C, dtype=dtype), normal(K, C, dtype=dtype)
                half_norms = codes.square().sum(1) / 2
                row = f"nearest of {K} codes of {C}, {name}, {rows} rows"
                ways = [lambda: torch.addmm(half_norms, z, codes.T, alpha=-1).argmin(1)]
                if dtype == torch.float32:
                    ways.append(lambda: torch.cdist(z, codes).argmin(1))
                print(f"peer\t{row}\teager\t{min(map(milliseconds, ways)):.4g}", flush=True)


@torch.no_grad()
def encode():
    from vit import CONFIGS, Tokenizer

    config = next(c for c in CONFIGS if c.name == "TiTok-B-64-sized")
    model = Tokenizer(config).eval().to("cuda", torch.bfloat16)
    codes = F.normalize(model.codebook, dim=-1)
    for batch in (1, divided(256)):
        images = torch.rand(batch, 3, config.image, config.image, device="cuda").to(torch.bfloat16)
        name = f"titok_b64 encode, bf16, {plural(batch)}"
        report(name, "eager", lambda: model.encode(images, codes))
        compiled = torch.compile(model.encode, dynamic=False, mode="reduce-overhead" if batch == 1 else None)
        report(name, "compile", lambda: compiled(images, codes))


def titok_b64():
    from compare import PRESETS, Model, randomize

    c, text = PRESETS["titok_b64"]
    model = Model(c, text)
    with torch.no_grad():
        randomize(model, torch.rand(2, 3, 256, 256))
    return model.to("cuda").to(memory_format=torch.channels_last)


@torch.no_grad()
def decode():
    model = titok_b64().eval().to(torch.bfloat16)
    for batch in (1, divided(64)):
        ids = torch.randint(4096, (batch, 64), device="cuda")
        name = f"titok_b64 decode, bf16, {plural(batch)}"
        report(name, "eager", lambda: model.decode(ids, None))
        mode = "reduce-overhead" if batch == 1 else None
        compiled = torch.compile(lambda ids: model.decode(ids, None), dynamic=False, mode=mode)
        report(name, "compile", lambda: compiled(ids))


def training_step():
    model, batch = titok_b64().train(), divided(16)
    images = torch.rand(batch, 3, 256, 256, device="cuda")
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01, fused=True)

    def loss(images):
        """Reconstruction, codebook and commitment, with the straight-through gradient."""
        codes = model.codes()
        z = F.normalize(model.encoder(images, model.latent_tokens), dim=-1)
        chosen = F.embedding((z.detach() @ codes.detach().T).argmax(-1), codes)
        features = model.decoder(z + (chosen - z).detach(), None)
        soft = torch.einsum("nchw,cd->ndhw", features.softmax(1), model.pixel_quantize.embedding.weight)
        image = model.pixel_decoder(soft)
        return F.mse_loss(image, images) + F.mse_loss(chosen, z.detach()) + 0.25 * F.mse_loss(z, chosen.detach())

    def step(loss):
        with torch.autocast("cuda", torch.bfloat16):
            value = loss(images)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()

    name = f"titok_b64 training step, bf16, {plural(batch)}"
    report(name, "eager", lambda: step(loss))
    compiled = torch.compile(loss, dynamic=False)
    report(name, "compile", lambda: step(compiled))


def main():
    """A question that fails is told and does not stop the others."""
    assert torch.cuda.is_available(), "PyTorch finds no GPU"
    torch.manual_seed(1)
    failed = False
    for question in (products, attention, nearest_code, encode, training_step, decode):
        try:
            question()
        except Exception:
            failed = True
            traceback.print_exc()
            print(f"failed: {question.__name__}", flush=True)
        torch.cuda.empty_cache()
    sys.exit(failed)


if __name__ == "__main__":
    main()

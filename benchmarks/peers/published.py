"""The published models in PyTorch, float32, encode and decode of one image: beside benchmarks/published.cpp.

    published.py peak_library eager|compile threads [part of a line's name]      (run.sh calls this)

The mathematics is tests/published/compare.py's, which tessera's tokens are compared with; PyTorch is given what helps it,
as in vit.py. The operations are those that PyTorch itself counts.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from vit import Peak, report

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "published"))
from compare import GRID, PATCH, PRESETS, Model, randomize  # noqa: E402

NAMES = ["titok_l32", "titok_b64", "titok_s128"]


def run(name, mode, peak, part):
    c, text = PRESETS[name]
    image = torch.rand(1, 3, GRID * PATCH, GRID * PATCH)
    model = Model(c, text).eval()
    randomize(model, image)
    codes = model.codes()

    def encode(x):
        return (F.normalize(model.encoder(x, model.latent_tokens), dim=-1) @ codes.T).argmax(-1)

    for operation, f, argument in [
        ("encode", encode, image),
        ("decode", lambda ids: model.decode(ids, None), encode(image)),
    ]:
        if part not in f"{name} {operation}":
            continue
        with torch.enable_grad(), FlopCounterMode(display=False) as counter:  # without gradients the counter fails
            assert f(argument).isfinite().all(), f"{name}: a result is not finite"
        if mode == "compile":
            f = torch.compile(f, dynamic=False, options={"freezing": True})
        report(mode, f"{name} {operation}", counter.get_total_flops(), lambda: f(argument), peak, repeats=7)


@torch.no_grad()
def main():
    library, mode, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    part = sys.argv[4] if len(sys.argv) > 4 else ""
    assert mode in ("eager", "compile"), f"found {mode}, expected eager or compile"
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    peak = Peak(library, threads)
    for name in NAMES:
        if part in f"{name} encode" or part in f"{name} decode":
            run(name, mode, peak, part)


if __name__ == "__main__":
    main()

"""The published models in PyTorch, float32, with random weights, against the tessera program.

    compare.py PROGRAM FOLDER [preset...]      (run.sh installs what this needs and calls it)

For each preset: a folder as on the hub (config.json, model.safetensors, or shards with their index), images, and texts
where the decoder takes them; `tessera encode` must give PyTorch's ids (or latents), `tessera decode` its images.
The mathematics is that of TiTok (arXiv:2406.07550) and TA-TiTok (arXiv:2501.07730) as published in
github.com/bytedance/1d-tokenizer.
"""

import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

SIZES = {"small": (512, 8, 8), "base": (768, 12, 12), "large": (1024, 24, 16)}  # width, layers, heads
GRID, PATCH, IMAGES, TEXT = 16, 16, 3, (77, 768)


def published(encoder, decoder, tokens, kind, text=False):
    """The fields of config.json's model.vq_model as they are published; legacy ones leave is_legacy out."""
    fields = {"token_size": {"legacy": 12, "vq": 64, "vae": 16}[kind], "num_latent_tokens": tokens,
              "vit_enc_model_size": encoder, "vit_dec_model_size": decoder, "vit_enc_patch_size": PATCH,
              "vit_dec_patch_size": PATCH, "finetune_decoder": kind == "legacy"}
    if kind != "vae":
        fields |= {"codebook_size": 4096 if kind == "legacy" else 8192, "use_l2_norm": kind == "legacy",
                   "commitment_cost": 0.25}
    if kind != "legacy":
        fields["is_legacy"] = False
    if kind == "vae" or text:
        fields["quantize_mode"] = kind
    return fields, text


PRESETS = {
    "titok_l32": published("large", "large", 32, "legacy"),
    "titok_b64": published("base", "base", 64, "legacy"),
    "titok_s128": published("small", "small", 128, "legacy"),
    "titok_bl64_vq8k": published("base", "large", 64, "vq"),
    "titok_bl128_vq8k": published("base", "large", 128, "vq"),
    "titok_sl256_vq8k": published("small", "large", 256, "vq"),
    "titok_ll32_vae_c16": published("large", "large", 32, "vae"),
    "titok_bl64_vae_c16": published("base", "large", 64, "vae"),
    "titok_bl128_vae_c16": published("base", "large", 128, "vae"),
    "tatitok_bl32_vq": published("base", "large", 32, "vq", text=True),
    "tatitok_bl64_vq": published("base", "large", 64, "vq", text=True),
    "tatitok_bl128_vq": published("base", "large", 128, "vq", text=True),
    "tatitok_bl32_vae": published("base", "large", 32, "vae", text=True),
    "tatitok_bl64_vae": published("base", "large", 64, "vae", text=True),
    "tatitok_sl128_vae": published("small", "large", 128, "vae", text=True),
}


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        layers = [("c_fc", nn.Linear(width, 4 * width)), ("gelu", nn.GELU()), ("c_proj", nn.Linear(4 * width, width))]
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x):
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """What encoder and decoder share: a class token and positions around a stack of blocks."""

    def __init__(self, size, tokens):
        super().__init__()
        self.width, layers, heads = SIZES[size]
        self.class_embedding = nn.Parameter(torch.empty(1, self.width))
        self.positional_embedding = nn.Parameter(torch.empty(GRID**2 + 1, self.width))
        self.latent_token_positional_embedding = nn.Parameter(torch.empty(tokens, self.width))
        self.ln_pre, self.ln_post = nn.LayerNorm(self.width), nn.LayerNorm(self.width)
        self.transformer = nn.ModuleList(Block(self.width, heads) for _ in range(layers))

    def run(self, patches, tokens):
        first = self.class_embedding.expand(len(patches), 1, -1)
        x = self.ln_pre(torch.cat([torch.cat([first, patches], 1) + self.positional_embedding, *tokens], 1))
        for block in self.transformer:
            x = block(x)
        return x


class Encoder(Transformer):
    def __init__(self, c):
        super().__init__(c["vit_enc_model_size"], c["num_latent_tokens"])
        self.legacy = c.get("is_legacy", True)
        self.patch_embed = nn.Conv2d(3, self.width, PATCH, PATCH)
        outputs = c["token_size"] * (2 if c.get("quantize_mode") == "vae" else 1)
        self.conv_out = nn.Conv2d(self.width, outputs, 1)

    def forward(self, images, latent_tokens):
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        latents = (latent_tokens + self.latent_token_positional_embedding).expand(len(images), -1, -1)
        x = self.ln_post(self.run(patches, [latents])[:, 1 + GRID**2:])  # [B, T, D]
        # The published bug that legacy weights rely on: the memory of [T, D] read as [D, T].
        x = x.reshape(len(x), self.width, -1) if self.legacy else x.transpose(1, 2)
        return self.conv_out(x.unsqueeze(-1)).squeeze(-1).transpose(1, 2)  # [B, T, C]


class Decoder(Transformer):
    def __init__(self, c, text):
        super().__init__(c["vit_dec_model_size"], c["num_latent_tokens"])
        self.mask_token = nn.Parameter(torch.empty(1, 1, self.width))
        self.decoder_embed = nn.Linear(c["token_size"], self.width)
        self.legacy = c.get("is_legacy", True)
        if self.legacy:
            wide = nn.Conv2d(self.width, 2 * self.width, 1)
            self.ffn = nn.Sequential(wide, nn.Tanh(), nn.Conv2d(2 * self.width, 1024, 1))
        else:
            self.ffn = nn.Sequential(nn.Conv2d(self.width, 3 * PATCH**2, 1))
            self.conv_out = nn.Conv2d(3, 3, 3, padding=1)
        if text:
            self.text_guidance_proj = nn.Linear(TEXT[1], self.width)
            self.text_guidance_positional_embedding = nn.Parameter(torch.empty(TEXT[0], self.width))

    def forward(self, z, text):
        tokens = [self.decoder_embed(z) + self.latent_token_positional_embedding]
        if text is not None:
            tokens.append(self.text_guidance_proj(text) + self.text_guidance_positional_embedding)
        x = self.run(self.mask_token.expand(len(z), GRID**2, -1), tokens)
        x = self.ln_post(x[:, 1:1 + GRID**2]).transpose(1, 2).unflatten(2, (GRID, GRID))
        x = self.ffn(x)
        if self.legacy:
            return x
        # Values of a patch are ordered row, column, colour.
        x = x.unflatten(1, (PATCH, PATCH, 3)).permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)
        return self.conv_out(x)


def group_norm(channels):
    return nn.GroupNorm(32, channels, eps=1e-6)


def convolution(inputs, outputs, bias=True):
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.conv1 = group_norm(inputs), convolution(inputs, outputs, bias=False)
        self.norm2, self.conv2 = group_norm(outputs), convolution(outputs, outputs, bias=False)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(outputs, outputs, 1, bias=False)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        # As published: the shortcut reads the block's output.
        return h + (self.nin_shortcut(h) if hasattr(self, "nin_shortcut") else x)


class UpsamplingBlock(nn.Module):
    def __init__(self, inputs, outputs, upsample):
        super().__init__()
        self.block = nn.ModuleList([ResidualBlock(inputs, outputs), ResidualBlock(outputs, outputs)])
        if upsample:
            self.upsample_conv = convolution(outputs, outputs)

    def forward(self, x):
        for block in self.block:
            x = block(x)
        return self.upsample_conv(F.interpolate(x, scale_factor=2)) if hasattr(self, "upsample_conv") else x


class PixelDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        channels = [128, 128, 256, 256, 512]
        self.conv_in = convolution(256, channels[-1])
        self.mid = nn.ModuleList(ResidualBlock(channels[-1], channels[-1]) for _ in range(2))
        inputs = channels[1:] + channels[-1:]
        self.up = nn.ModuleList(UpsamplingBlock(inputs[i], channels[i], upsample=i > 0) for i in range(len(channels)))
        self.norm_out, self.conv_out = group_norm(channels[0]), convolution(channels[0], 3)

    def forward(self, x):
        x = self.conv_in(x)
        for block in [*self.mid, *reversed(self.up)]:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Codebook(nn.Module):
    def __init__(self, codes, width):
        super().__init__()
        self.embedding = nn.Embedding(codes, width)


class Model(nn.Module):
    def __init__(self, c, text):
        super().__init__()
        self.c = c
        self.encoder, self.decoder = Encoder(c), Decoder(c, text)
        self.latent_tokens = nn.Parameter(torch.empty(c["num_latent_tokens"], self.encoder.width))
        if "codebook_size" in c:
            self.quantize = Codebook(c["codebook_size"], c["token_size"])
        if self.decoder.legacy:
            self.pixel_quantize, self.pixel_decoder = Codebook(1024, 256), PixelDecoder()

    def codes(self):
        codes = self.quantize.embedding.weight
        return F.normalize(codes, dim=-1) if self.c["use_l2_norm"] else codes

    def encode(self, images):
        """ids [B, T] and the squared distances to the second-nearest code beyond the nearest; or the means."""
        z = self.encoder(images, self.latent_tokens)
        if "codebook_size" not in self.c:
            return z.chunk(2, dim=2)[0], None
        z = F.normalize(z, dim=-1) if self.c["use_l2_norm"] else z
        nearest = torch.cdist(z.double(), self.codes().double()).square().topk(2, largest=False)
        return nearest.indices[:, :, 0], nearest.values[:, :, 1] - nearest.values[:, :, 0]

    def decode(self, tokens, text):
        x = self.decoder(self.codes()[tokens] if "codebook_size" in self.c else tokens, text)
        if not self.decoder.legacy:
            return x
        soft = torch.einsum("nchw,cd->ndhw", x.softmax(1), self.pixel_quantize.embedding.weight)
        return self.pixel_decoder(soft)


def randomize(model, images):
    """Weights that keep magnitudes, so that every layer matters, and codes that lie among the latents."""
    for name, parameter in model.named_parameters():
        if "norm" in name or ".ln_" in name:
            nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.1)
        elif name.endswith("bias"):
            nn.init.normal_(parameter, 0.0, 0.05)
        elif parameter.dim() == 4 or name.endswith(("in_proj_weight", "weight")):
            nn.init.normal_(parameter, 0.0, parameter[0].numel() ** -0.5)
        else:
            nn.init.normal_(parameter, 0.0, 0.5)
    if "codebook_size" in model.c:
        z = model.encoder(images, model.latent_tokens)
        model.quantize.embedding.weight.copy_(z.mean((0, 1)) + z.std((0, 1)) * torch.randn_like(model.codes()))


def write_hub_folder(folder, model, c, shards):
    folder.mkdir(parents=True, exist_ok=True)
    config = {"experiment": {"output_dir": folder.name}, "model": {"vq_model": c},
              "dataset": {"preprocessing": {"crop_size": GRID * PATCH}}}
    (folder / "config.json").write_text(json.dumps(config, indent=4))
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    for old in [*folder.glob("*.safetensors"), *folder.glob("*.index.json")]:
        old.unlink()
    if shards == 1:
        return save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    names = [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    parts = [dict(list(tensors.items())[i::shards]) for i in range(shards)]
    for name, part in zip(names, parts):
        save_file(part, folder / name, metadata={"format": "pt"})
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())},
             "weight_map": {key: name for name, part in zip(names, parts) for key in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def difference(found, expected):
    return float(numpy.abs(found - expected).max() / numpy.abs(expected).max())


@torch.no_grad()
def compare(program, folder, name, shards):
    c, text_aware = PRESETS[name]
    torch.manual_seed(len(name) + c["num_latent_tokens"])
    coarse = torch.rand(IMAGES, 3, 32, 32)
    images = F.interpolate(coarse, size=GRID * PATCH, mode="bicubic").clamp(0, 1)
    text = torch.randn(IMAGES, *TEXT) if text_aware else None
    model = Model(c, text_aware).eval()
    randomize(model, images)
    write_hub_folder(folder, model, c, shards)
    tokens, gap = model.encode(images)
    numpy.save(folder / "input.npy", images.numpy())
    with_text = []
    if text_aware:
        numpy.save(folder / "text.npy", text.numpy())
        with_text = ["--text", folder / "text.npy"]

    def tessera(*arguments):
        run = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit(f"{name}: {run.stderr}")
        return run.stdout

    info = json.loads(tessera("info", folder, "--json"))
    tessera("encode", "--model", folder, folder / "input.npy", "-o", folder / "found.npy")
    found = numpy.load(folder / "found.npy")
    tokens_file = folder / "tokens.npy"
    numpy.save(tokens_file, tokens.to(torch.int32 if gap is not None else torch.float32).numpy())
    tessera("decode", "--model", folder, tokens_file, *with_text, "-o", folder / "decoded.npy")
    images_differ = difference(numpy.load(folder / "decoded.npy"), model.decode(tokens, text).numpy())

    good = info["preset"] == name and images_differ < (5e-5 if model.decoder.legacy else 2e-5)
    if gap is not None:
        wrong = found != tokens.numpy()
        # Where both codes are as near as float32 can tell, either is right.
        ties = int((wrong & (gap.numpy() < 1e-5)).sum())
        good = good and found.shape == wrong.shape and int(wrong.sum()) == ties
        said = f"{wrong.size - int(wrong.sum())} of {wrong.size} ids equal ({ties} ties)"
    else:
        latents_differ = difference(found, tokens.numpy())
        good = good and latents_differ < 2e-5
        said = f"latents within {latents_differ:.1e}"
    print(f"{'ok  ' if good else 'FAIL'} {name}: {said}, images within {images_differ:.1e}", flush=True)
    return good


def main():
    program, folder, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or list(PRESETS)
    # Every third folder is sharded.
    results = [compare(program, folder / name, name, 3 if i % 3 == 2 else 1) for i, name in enumerate(names)]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()

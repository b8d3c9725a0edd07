// tessera decode: tokens -> images.
#include <algorithm>
#include <cstdio>
#include <type_traits>

#include <tessera/data/model_pixels.hpp>
#include <tessera/io/image.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/tokens.hpp>

#include "outputs.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace program {

using namespace tessera;

namespace {

struct DecodeArguments {
  ModelArguments model;
  std::filesystem::path tokens, text, output;
};

/// Calls write(images, first, count) for all of them, some at a time.
template <class T, class Write>
void for_each_batch(const DecodeArguments& a, AnyTokenizer& tokenizer, View<const T> tokens, const Texts& texts,
                    Index images, Write&& write) {
  const Config& c = tokenizer.config();
  const Index values = c.tokens() * (c.has_codes() ? 1 : c.code_dim);
  std::vector<float> decoded;
  for_each_part(images, c, [&](Index first, Index count) {
    decoded.resize(static_cast<std::size_t>(count * c.image_values()));
    const View<const T> part = slice(tokens, first * values, count * values);
    if constexpr (std::is_same_v<T, float>) require_finite(a.tokens.string(), part, first, count);
    tokenizer.decode(part, View<float>(decoded), texts.of(first, count));
    require_finite(a.model.path.string() + ", decoding", decoded, first, count);
    write(View<const float>(decoded), first, count);
  });
}

/// `number`.png, with as many digits as a million pictures need, so that they sort in the order of the tokens.
void write_picture(const std::filesystem::path& folder, Index number, const Config& config, View<const float> image) {
  char name[32];
  std::snprintf(name, sizeof name, "%06td.png", number);
  write_png(folder / name, to_pixels(config, image));
}

/// Decodes `images` images' tokens and writes what `a` asks for.
template <class T>
void decode_tokens(const DecodeArguments& a, AnyTokenizer& tokenizer, View<const T> tokens, Index images) {
  const Config& c = tokenizer.config();
  const Texts texts(a.text, c, images);
  if (a.output.extension() == ".npy") {
    const Index shape[] = {images, c.channels, c.image.height, c.image.width};
    NpyWriter<float> file(a.output, shape);
    for_each_batch(a, tokenizer, tokens, texts, images,
                   [&](View<const float> batch, Index, Index) { file.write(batch); });
    file.commit();
    return;
  }
  make_folder(a.output);
  for_each_batch(a, tokenizer, tokens, texts, images, [&](View<const float> batch, Index done, Index count) {
    parallel_for_or_throw(count, [&](Index i) {
      write_picture(a.output, done + i, c, slice(batch, i * c.image_values(), c.image_values()));
    });
  });
}

void decode(const DecodeArguments& a) {
  const Preset& preset = a.model.find_preset();
  const Config& config = preset.config;
  if (a.output.extension() == ".npy") InputFiles({a.tokens, a.text}).check_output(a.output);
  const std::unique_ptr<AnyTokenizer> tokenizer = preset.load(a.model.path);
  if (config.has_codes()) {
    const TokenTable table = read_tokens(a.tokens, config.tokens(), config.codebook_size);
    return decode_tokens(a, *tokenizer, View<const Token>(table.tokens), table.images());
  }
  const NpyFile file(a.tokens);
  const std::vector<Index>& shape = file.shape();
  if (shape.size() != 3 || shape[1] != config.tokens() || shape[2] != config.code_dim) {
    throw Error(ErrorCode::mismatch, file.path(), "shape " + to_string(shape),
                "[B, " + std::to_string(config.tokens()) + ", " + std::to_string(config.code_dim) +
                    "]: this model's tokens are continuous");
  }
  if (shape[0] == 0) throw Error(ErrorCode::mismatch, file.path(), "no tokens", "at least one image's");
  decode_tokens(a, *tokenizer, file.values<float>(), shape[0]);
}

}  // namespace

void add_decode(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("decode", "turn tokens into images");
  const auto a = std::make_shared<DecodeArguments>();
  add_model(c, a->model);
  c.add_option("tokens", a->tokens,
               "a .npy file of integers [B,T] or [T] (continuous tokens: float32 [B,T,C]), .jsonl, or text")
      ->required();
  add_text(c, a->text);
  c.add_option("-o,--output", a->output, "a .npy file (float32 [B,C,H,W], not clamped), or a folder of PNGs")
      ->required();
  c.callback([a, &run] { run = [a] { decode(*a); }; });
}

}  // namespace program

// tessera decode: tokens -> images.
#include <cstdio>

#include <tessera/data/model_pixels.hpp>
#include <tessera/io/image.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/tokens.hpp>

#include "program.hpp"
#include "texts.hpp"

namespace program {

using namespace tessera;

namespace {

struct DecodeArguments {
  ModelArguments model;
  std::filesystem::path tokens, text, output;
};

/// 000000.png, 000001.png, ... in the order of the tokens.
void write_pictures(const std::filesystem::path& folder, const Config& config, View<const float> images) {
  make_folder(folder);
  const Index values = config.image_values();
  for (Index i = 0; i * values < static_cast<Index>(images.size()); ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "%06td.png", i);
    write_png(folder / name, to_pixels(config, slice(images, i * values, values)));
  }
}

/// Decodes `count` images' tokens and writes what `a` asks for.
template <class T>
void decode_tokens(const DecodeArguments& a, AnyTokenizer& tokenizer, View<const T> tokens, Index count) {
  const Config& config = tokenizer.config();
  const std::vector<float> text = Texts(a.text, config, count).of(0, count);
  std::vector<float> images(static_cast<std::size_t>(count * config.image_values()));
  tokenizer.decode(tokens, images, text);
  if (a.output.extension() == ".npy") {
    const Index shape[] = {count, config.channels, config.image.height, config.image.width};
    write_npy<float>(a.output, shape, images);
  } else {
    write_pictures(a.output, config, images);
  }
}

void decode(const DecodeArguments& a) {
  const Preset& preset = a.model.find_preset();
  const Config& config = preset.config;
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
  decode_tokens(a, *tokenizer, file.values<float>(), shape[0]);
}

}  // namespace

void add_decode(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("decode", "turn tokens into images");
  const auto a = std::make_shared<DecodeArguments>();
  add_model(c, a->model);
  c.add_option("tokens", a->tokens, "a .npy file of int32 [B,T] (continuous tokens: float32 [B,T,C]), .jsonl, or text")
      ->required();
  add_text(c, a->text);
  c.add_option("-o,--output", a->output, "a .npy file (float32 [B,C,H,W], not clamped), or a folder of PNGs")
      ->required();
  c.callback([a, &run] { run = [a] { decode(*a); }; });
}

}  // namespace program

// tessera decode: tokens -> images.
#include <cstdio>

#include <tessera/data/model_pixels.hpp>
#include <tessera/io/image.hpp>
#include <tessera/io/tokens.hpp>

#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

struct DecodeArguments {
  ModelArguments model;
  std::filesystem::path tokens, output;
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

void decode(const DecodeArguments& a) {
  const Preset& preset = a.model.find_preset();
  const Config& config = preset.config;
  const std::unique_ptr<AnyTokenizer> tokenizer = preset.load(a.model.path);
  const TokenTable table = read_tokens(a.tokens, config.tokens(), config.codebook_size);
  std::vector<float> images(static_cast<std::size_t>(table.images() * config.image_values()));
  tokenizer->decode(table.tokens, images);
  if (a.output.extension() == ".npy") {
    const std::vector<Index> shape{table.images(), config.channels, config.image.height, config.image.width};
    write_npy(a.output, View<const Index>(shape), View<const float>(images));
  } else {
    write_pictures(a.output, config, images);
  }
}

}  // namespace

void add_decode(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("decode", "turn tokens into images");
  const auto a = std::make_shared<DecodeArguments>();
  add_model(c, a->model);
  c.add_option("tokens", a->tokens, "a .npy file of int32 [B,T], a .jsonl file, or text")->required();
  c.add_option("-o,--output", a->output, "a .npy file (float32 [B,C,H,W], not clamped), or a folder of PNGs")
      ->required();
  c.callback([a, &run] { run = [a] { decode(*a); }; });
}

}  // namespace program

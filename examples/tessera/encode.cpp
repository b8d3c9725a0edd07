// tessera encode: images -> tokens.
#include <cstdio>

#include <tessera/io/tokens.hpp>

#include "inputs.hpp"
#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

struct EncodeArguments {
  ModelArguments model;
  std::vector<std::filesystem::path> inputs;
  std::filesystem::path output;
  Filter filter = Filter::bicubic;
};

void encode(const EncodeArguments& a) {
  const Preset& preset = a.model.find_preset();
  const std::unique_ptr<AnyTokenizer> tokenizer = preset.load(a.model.path);
  const Config& config = preset.config;
  const Inputs inputs(a.inputs, config, a.filter);
  TokenTable table{.length = config.tokens(), .tokens = {}, .files = {}};
  std::vector<float> images(static_cast<std::size_t>(preset.batch * config.image_values()));
  for (Index done = 0; done < inputs.count(); done += preset.batch) {
    const Index count = std::min(preset.batch, inputs.count() - done);
    for (Index i = 0; i < count; ++i) {
      inputs.read(done + i, slice(View<float>(images), i * config.image_values(), config.image_values()));
      table.files.push_back(inputs.name(done + i));
    }
    const std::size_t begin = table.tokens.size();
    table.tokens.resize(begin + static_cast<std::size_t>(count * config.tokens()));
    tokenizer->encode(first(View<const float>(images), count * config.image_values()),
                      View<Token>(table.tokens).subspan(begin));
  }
  if (!a.output.empty()) return write_tokens(a.output, table);
  for (Index i = 0; i < table.images(); ++i) std::printf("%s\n", format_tokens(table.image(i)).c_str());
}

}  // namespace

void add_encode(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("encode", "turn images into tokens");
  const auto a = std::make_shared<EncodeArguments>();
  add_model(c, a->model);
  add_inputs(c, a->inputs, a->filter);
  c.add_option("-o,--output", a->output, "a .npy (int32 [B,T]) or .jsonl file; otherwise text on the standard output");
  c.callback([a, &run] { run = [a] { encode(*a); }; });
}

}  // namespace program

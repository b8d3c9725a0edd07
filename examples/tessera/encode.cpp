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

/// Images read and computed together: work for every thread, little memory.
constexpr Index images_at_a_time = 64;

TokenTable encode_all(AnyTokenizer& tokenizer, const Inputs& inputs) {
  const Index values = tokenizer.config().image_values(), length = tokenizer.config().tokens();
  TokenTable table{.length = length, .tokens = {}, .files = {}};
  table.tokens.resize(static_cast<std::size_t>(inputs.count() * length));
  std::vector<float> images(static_cast<std::size_t>(std::min(images_at_a_time, inputs.count()) * values));
  for (Index done = 0; done < inputs.count(); done += images_at_a_time) {
    const Index count = std::min(images_at_a_time, inputs.count() - done);
    const View<float> batch = first(View<float>(images), count * values);
    inputs.read(done, count, batch);
    tokenizer.encode(batch, slice(View<Token>(table.tokens), done * length, count * length));
  }
  for (Index i = 0; i < inputs.count(); ++i) table.files.push_back(inputs.name(i));
  return table;
}

void encode(const EncodeArguments& a) {
  const auto extension = a.output.extension();
  if (!a.output.empty() && extension != ".npy" && extension != ".jsonl" && extension != ".txt") {
    throw UsageError("--output: found '" + a.output.string() + "', expected a .npy, .jsonl or .txt file");
  }
  const std::unique_ptr<AnyTokenizer> tokenizer = a.model.load();
  const TokenTable table = encode_all(*tokenizer, Inputs(a.inputs, tokenizer->config(), a.filter));
  if (!a.output.empty()) return write_tokens(a.output, table);
  for (Index i = 0; i < table.images(); ++i) std::printf("%s\n", format_tokens(table.image(i)).c_str());
}

}  // namespace

void add_encode(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("encode", "turn images into tokens");
  const auto a = std::make_shared<EncodeArguments>();
  add_model(c, a->model);
  add_inputs(c, a->inputs, a->filter);
  c.add_option("-o,--output", a->output,
               "a .npy (int32 [B,T]), .jsonl or .txt file; otherwise text on the standard output");
  c.callback([a, &run] { run = [a] { encode(*a); }; });
}

}  // namespace program

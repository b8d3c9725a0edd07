// tessera encode: images -> tokens.
#include <cstdio>

#include <tessera/core/random.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/tokens.hpp>

#include "inputs.hpp"
#include "outputs.hpp"
#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

struct EncodeArguments {
  ModelArguments model;
  std::vector<std::filesystem::path> inputs;
  std::filesystem::path output;
  Filter filter = Filter::bicubic;
  std::optional<std::uint64_t> sample;
};

/// Calls encode(images, first, count) for all inputs, some at a time.
template <class Encode>
void for_each_batch(const Inputs& inputs, const Config& config, Encode&& encode) {
  std::vector<float> images;
  for_each_part(inputs.count(), config, [&](Index first, Index count) {
    images.resize(static_cast<std::size_t>(count * config.image_values()));
    inputs.read(first, count, images);
    encode(View<const float>(images), first, count);
  });
}

void encode_ids(const EncodeArguments& a, AnyTokenizer& tokenizer, const Inputs& inputs) {
  const Index length = tokenizer.config().tokens();
  TokenTable table{.length = length, .tokens = {}, .files = {}};
  table.tokens.resize(static_cast<std::size_t>(inputs.count() * length));
  std::vector<float> margins;
  for_each_batch(inputs, tokenizer.config(), [&](View<const float> images, Index done, Index count) {
    margins.resize(static_cast<std::size_t>(count * length));
    tokenizer.encode(images, slice(View<Token>(table.tokens), done * length, count * length), margins);
    // Of latents that are not finite, no code is the nearest.
    require_finite(a.model.path.string() + ", distances of codes", margins, done, count);
  });
  for (Index i = 0; i < inputs.count(); ++i) table.files.push_back(inputs.name(i));
  if (!a.output.empty()) return write_tokens(a.output, table);
  for (Index i = 0; i < table.images(); ++i) std::printf("%s\n", format_tokens(table.image(i)).c_str());
}

/// Standard normal numbers for images [first, first + count), each image's a function of the seed and its place alone.
std::vector<float> noise_for(std::uint64_t seed, Index first, Index count, Index values) {
  constexpr std::uint64_t sample_stream = 0x73616d706c65;  // "sample"
  std::vector<float> noise;
  for (Index i = first; i < first + count; ++i) {
    Random random(seed, sample_stream, static_cast<std::uint64_t>(i));
    for (Index n = 0; n < values; ++n) noise.push_back(static_cast<float>(random.normal()));
  }
  return noise;
}

void encode_continuous(const EncodeArguments& a, AnyTokenizer& tokenizer, const Inputs& inputs) {
  const Config& c = tokenizer.config();
  const Index values = c.tokens() * c.code_dim;
  const Index shape[] = {inputs.count(), c.tokens(), c.code_dim};
  NpyWriter<float> file(a.output, shape);
  std::vector<float> latents;
  for_each_batch(inputs, c, [&](View<const float> images, Index done, Index count) {
    latents.resize(static_cast<std::size_t>(count * values));
    const std::vector<float> noise = a.sample ? noise_for(*a.sample, done, count, values) : std::vector<float>();
    tokenizer.encode(images, View<float>(latents), View<const float>(noise));
    require_finite(a.model.path.string() + ", encoding", latents, done, count);
    file.write(latents);
  });
  file.commit();
}

void check_output(const EncodeArguments& a, const Config& config) {
  const auto extension = a.output.extension();
  if (!config.has_codes() && extension != ".npy") {
    throw UsageError("--output: found '" + a.output.string() +
                     "', expected a .npy file: this model's tokens are continuous");
  }
  if (!a.output.empty() && extension != ".npy" && extension != ".jsonl" && extension != ".txt") {
    throw UsageError("--output: found '" + a.output.string() + "', expected a .npy, .jsonl or .txt file");
  }
  if (a.sample && config.has_codes()) {
    throw UsageError("--sample: found a seed, expected none: this model's tokens are ids, and nothing is drawn");
  }
  if (!a.output.empty()) InputFiles(a.inputs).check_output(a.output);
}

void encode(const EncodeArguments& a) {
  const Preset& preset = a.model.find_preset();
  check_output(a, preset.config);
  const std::unique_ptr<AnyTokenizer> tokenizer = preset.load(a.model.path);
  const Inputs inputs(a.inputs, preset.config, a.filter);
  if (preset.config.has_codes())
    encode_ids(a, *tokenizer, inputs);
  else
    encode_continuous(a, *tokenizer, inputs);
}

}  // namespace

void add_encode(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("encode", "turn images into tokens");
  const auto a = std::make_shared<EncodeArguments>();
  add_model(c, a->model);
  add_inputs(c, a->inputs, a->filter);
  c.add_option("-o,--output", a->output,
               "a .npy (int32 [B,T]), .jsonl or .txt file, otherwise text on the standard output; continuous tokens: a "
               ".npy (float32 [B,T,C])");
  c.add_option("--sample", a->sample, "continuous tokens: draw them with this seed instead of taking the means")
      ->check(CLI::NonNegativeNumber);
  c.callback([a, &run] { run = [a] { encode(*a); }; });
}

}  // namespace program

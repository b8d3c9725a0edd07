// tessera encode: images -> tokens.
#include <cstdio>
#include <cstring>
#include <numeric>

#include <tessera/core/layout.hpp>
#include <tessera/core/random.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/tokens.hpp>

#include "hash.hpp"
#include "inputs.hpp"
#include "journal.hpp"
#include "long_work.hpp"
#include "numbers.hpp"
#include "outputs.hpp"
#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

struct EncodeArguments {
  ModelArguments model;
  std::vector<std::filesystem::path> inputs;
  std::filesystem::path output;
  PhotographReading reading;
  bool skip_broken = false;
  std::optional<std::uint64_t> sample;
};

/// Standard normal numbers for images `items`, each image's a function of the seed and its place alone.
std::vector<float> noise_for(std::uint64_t seed, View<const Index> items, Index values) {
  constexpr std::uint64_t sample_stream = 0x73616d706c65;  // "sample"
  std::vector<float> noise;
  for (const Index i : items) {
    Random random(seed, sample_stream, static_cast<std::uint64_t>(i));
    for (Index n = 0; n < values; ++n) noise.push_back(static_cast<float>(random.normal()));
  }
  return noise;
}

/// Tokens of images, ids or continuous ones, some images at a time.
class Encoder {
 public:
  Encoder(const EncodeArguments& arguments, AnyTokenizer& tokenizer)
      : arguments_(arguments), tokenizer_(tokenizer), config_(tokenizer.config()) {}

  /// images [items, C, H, W] -> ids [items, T]. Throws Error(bad_file) where the model's numbers are not finite.
  View<const Token> ids(View<const float> images, View<const Index> items) {
    ids_.resize(items.size() * static_cast<std::size_t>(config_.tokens()));
    margins_.resize(ids_.size());
    tokenizer_.encode(images, ids_, margins_);
    // Of latents that are not finite, no code is the nearest.
    require_finite(arguments_.model.path.string() + ", distances of codes", margins_, items);
    return ids_;
  }

  /// The same in bytes, int32, or float32 [items, T, C] for continuous tokens.
  View<const std::byte> bytes(View<const float> images, View<const Index> items) {
    if (config_.has_codes()) return std::as_bytes(ids(images, items));
    const Index values = config_.tokens() * config_.code_dim;
    latents_.resize(items.size() * static_cast<std::size_t>(values));
    const std::vector<float> noise =
        arguments_.sample ? noise_for(*arguments_.sample, items, values) : std::vector<float>();
    tokenizer_.encode(images, View<float>(latents_), View<const float>(noise));
    require_finite(arguments_.model.path.string() + ", encoding", latents_, items);
    return std::as_bytes(View<const float>(latents_));
  }

 private:
  const EncodeArguments& arguments_;
  AnyTokenizer& tokenizer_;
  const Config& config_;
  std::vector<Token> ids_;
  std::vector<float> latents_, margins_;
};

/// Without -o: a line for each image as soon as it is encoded.
void encode_to_standard_output(const EncodeArguments& a, const Config& config, Encoder& encoder, const Inputs& inputs) {
  LongWork work("encode", inputs.count(), a.skip_broken);
  std::vector<Index> all(static_cast<std::size_t>(inputs.count()));
  std::iota(all.begin(), all.end(), Index{0});
  std::vector<float> images;
  work.run(all, config, ", whose lines are written", [&](View<const Index> items, bool) {
    const std::vector<Index> good = inputs.read(items, images, work);
    if (good.empty()) return;
    const View<const Token> ids = encoder.ids(images, good);
    const Index length = config.tokens();
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::printf("%s\n", format_tokens(slice(ids, static_cast<Index>(i) * length, length)).c_str());
    }
    if (std::fflush(stdout) != 0) {
      throw Error(ErrorCode::file_access, "standard output", "an error in writing", "a place to write");
    }
  });
  work.finish("all of them; the lines of the others are written (--skip-broken leaves it out)");
}

/// Writes the tokens in the journal as what `a` asks for, in the order of the images.
template <class T>
void write_array(const EncodeArguments& a, const std::vector<Index>& shape, View<const std::uint64_t> keys,
                 const Journal& journal) {
  NpyWriter<T> file(a.output, shape);
  std::vector<T> row;
  for (const std::uint64_t key : keys) {
    const std::vector<std::byte> bytes = journal.read(key);
    row.resize(bytes.size() / sizeof(T));
    std::memcpy(row.data(), bytes.data(), row.size() * sizeof(T));
    file.write(row);
  }
  file.commit();
}

void write_lines(const EncodeArguments& a, Index length, View<const std::uint64_t> keys, View<const Index> items,
                 const Inputs& inputs, const Journal& journal) {
  AtomicFile file(a.output);
  std::vector<Token> row(static_cast<std::size_t>(length));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::memcpy(row.data(), journal.read(keys[i]).data(), row.size() * sizeof(Token));
    const bool json = a.output.extension() == ".jsonl";
    file.write((json ? format_tokens_json(inputs.name(items[i]), row) : format_tokens(row)) + "\n");
  }
  file.commit();
}

/// What the tokens of an image depend on beside the image.
std::string options_of(const EncodeArguments& a) {
  std::string text = "\"filter\": " + std::to_string(static_cast<int>(a.reading.filter));
  if (a.sample) text += ", \"sample\": " + std::to_string(*a.sample);
  return text;
}

/// With -o: each part goes to a journal; the file is written from it when all are there.
void encode_to_file(const EncodeArguments& a, const Preset& preset, Encoder& encoder, const Inputs& inputs) {
  const Config& config = preset.config;
  Journal journal(journal_file(a.output), job_text("encode", a.model, preset, options_of(a)));
  LongWork work(a.output.string(), inputs.count(), a.skip_broken);
  std::vector<std::uint64_t> keys;
  std::vector<Index> todo;
  for (Index i = 0; i < inputs.count(); ++i) {
    // Draws depend on the place, too.
    keys.push_back(a.sample ? Hash().add(inputs.identity(i)).add(static_cast<std::uint64_t>(i)).value()
                            : inputs.identity(i));
    if (!journal.contains(keys.back())) todo.push_back(i);
  }
  std::vector<float> images;
  const std::string kept = ", whose tokens are kept: the same command goes on from there";
  work.run(todo, config, kept, [&](View<const Index> items, bool last) {
    const std::vector<Index> good = inputs.read(items, images, work);
    if (!good.empty()) {
      const View<const std::byte> tokens = encoder.bytes(images, good);
      const auto each = static_cast<Index>(tokens.size() / good.size());
      for (std::size_t i = 0; i < good.size(); ++i) {
        journal.append(keys[static_cast<std::size_t>(good[i])], slice(tokens, static_cast<Index>(i) * each, each));
      }
    }
    if (!last || work.failed()) journal.flush();
  });
  work.finish("all of them; the tokens of " + std::to_string(work.good()) +
              " are kept: mend or remove it, or add --skip-broken, and run the same command again");
  std::vector<Index> items;
  std::vector<std::uint64_t> good_keys;
  for (Index i = 0; i < inputs.count(); ++i) {
    if (work.is_broken(i)) continue;
    items.push_back(i);
    good_keys.push_back(keys[static_cast<std::size_t>(i)]);
  }
  const Index length = config.tokens();
  if (!config.has_codes())
    write_array<float>(a, {work.good(), length, config.code_dim}, good_keys, journal);
  else if (a.output.extension() == ".npy")
    write_array<Token>(a, {work.good(), length}, good_keys, journal);
  else
    write_lines(a, length, good_keys, items, inputs, journal);
  journal.remove();
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
  const std::unique_ptr<AnyTokenizer> tokenizer = a.model.load(preset);
  const Inputs inputs(a.inputs, preset.config, a.reading);
  Encoder encoder(a, *tokenizer);
  if (a.output.empty())
    encode_to_standard_output(a, preset.config, encoder, inputs);
  else
    encode_to_file(a, preset, encoder, inputs);
}

}  // namespace

void add_encode(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("encode", "turn images into tokens");
  const auto a = std::make_shared<EncodeArguments>();
  add_model(c, a->model);
  add_inputs(c, a->inputs, a->reading);
  c.add_option("-o,--output", a->output,
               "a .npy (int32 [B,T]), .jsonl or .txt file, otherwise text on the standard output; continuous tokens: a "
               ".npy (float32 [B,T,C]). Until all is there, finished tokens are kept beside it, and the same command "
               "goes on from them");
  add_skip_broken(c, a->skip_broken);
  add_number(c, "--sample", a->sample, "continuous tokens: draw them with this seed instead of taking the means", 0);
  c.callback([a, &run] { run = [a] { encode(*a); }; });
}

}  // namespace program

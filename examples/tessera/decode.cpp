// tessera decode: tokens -> images.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include <tessera/core/layout.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/io/image.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/tokens.hpp>

#include "hash.hpp"
#include "journal.hpp"
#include "long_work.hpp"
#include "mapped_files.hpp"
#include "outputs.hpp"
#include "picture_folder.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace program {

using namespace tessera;

namespace {

struct DecodeArguments {
  ModelArguments model;
  std::filesystem::path tokens, text, output;
  bool skip_broken = false;
};

/// The tokens of some images: ids, or continuous ones.
template <class T>
class Decoder {
 public:
  Decoder(const DecodeArguments& arguments, const Preset& preset, AnyTokenizer& tokenizer, View<const T> tokens,
          Index images)
      : arguments_(arguments),
        tokenizer_(tokenizer),
        config_(preset.config),
        tokens_(tokens),
        texts_(arguments.text, config_, images),
        job_(job_text("decode", arguments.model, preset, "")) {}

  [[nodiscard]] const std::string& job() const { return job_; }

  /// A hash of all that picture i depends on.
  [[nodiscard]] std::uint64_t key(Index i) const {
    return Hash().add(job_).add(std::as_bytes(row(i))).add(texts_.hash(i)).value();
  }

  /// Those of `items` whose numbers are finite; the others are reported to `work`. images: [good, C, H, W].
  std::vector<Index> decode(View<const Index> items, LongWork& work, std::vector<float>& images) {
    const Index text_values = config_.has_text() ? config_.text_values() : 0;
    texts_of_items_.resize(items.size() * static_cast<std::size_t>(text_values));
    std::vector<Index> good = work.good_ones(items, texts_of_items_, [&](Index item, View<float> text) {
      if constexpr (std::is_same_v<T, float>) {
        require_finite(arguments_.tokens.string(), row(item), View<const Index>(&item, 1));
      }
      std::ranges::copy(texts_.of(item, 1), text.begin());
    });
    std::vector<T> tokens;
    for (const Index item : good) tokens.insert(tokens.end(), row(item).begin(), row(item).end());
    check_mapped_files();
    images.resize(good.size() * static_cast<std::size_t>(config_.image_values()));
    if (good.empty()) return good;
    tokenizer_.decode(View<const T>(tokens), View<float>(images), View<const float>(texts_of_items_));
    require_finite(arguments_.model.path.string() + ", decoding", images, good);
    return good;
  }

 private:
  [[nodiscard]] View<const T> row(Index i) const {
    const Index values = config_.tokens() * (config_.has_codes() ? 1 : config_.code_dim);
    return slice(tokens_, i * values, values);
  }

  const DecodeArguments& arguments_;
  AnyTokenizer& tokenizer_;
  const Config& config_;
  View<const T> tokens_;
  Texts texts_;
  std::string job_;
  std::vector<float> texts_of_items_;
};

const char* const mend = " are kept: mend it, or add --skip-broken, and run the same command again";

/// One .npy file of all images. Each part goes to a journal; the file is written from it when all are there.
template <class T>
void decode_to_array(const DecodeArguments& a, const Config& c, Decoder<T>& decoder, Index images) {
  Journal journal(journal_file(a.output), decoder.job());
  LongWork work(a.output.string(), images, a.skip_broken);
  std::vector<std::uint64_t> keys;
  std::vector<Index> todo;
  for (Index i = 0; i < images; ++i) {
    keys.push_back(decoder.key(i));
    if (!journal.contains(keys.back())) todo.push_back(i);
  }
  std::vector<float> decoded;
  const std::string kept = ", which are kept: the same command goes on from there";
  work.run(todo, c, kept, [&](View<const Index> items, bool last) {
    const std::vector<Index> good = decoder.decode(items, work, decoded);
    for (std::size_t i = 0; i < good.size(); ++i) {
      const View<const float> image =
          slice(View<const float>(decoded), static_cast<Index>(i) * c.image_values(), c.image_values());
      journal.append(keys[static_cast<std::size_t>(good[i])], std::as_bytes(image));
    }
    if (!last || work.failed()) journal.flush();
  });
  work.finish("all of them; the other " + std::to_string(work.good()) + mend);
  const Index shape[] = {work.good(), c.channels, c.image.height, c.image.width};
  NpyWriter<float> file(a.output, shape);
  std::vector<float> image(static_cast<std::size_t>(c.image_values()));
  for (Index i = 0; i < images; ++i) {
    if (work.is_broken(i)) continue;
    std::memcpy(image.data(), journal.read(keys[static_cast<std::size_t>(i)]).data(), image.size() * sizeof(float));
    file.write(image);
  }
  file.commit();
  journal.remove();
}

/// `number`.png, with as many digits as a million pictures need, so that they sort in the order of the tokens.
std::string picture_name(Index number) {
  char name[32];
  std::snprintf(name, sizeof name, "%06td.png", number);
  return name;
}

template <class T>
void decode_to_folder(const DecodeArguments& a, const Config& c, Decoder<T>& decoder, Index images) {
  std::vector<std::string> names;
  std::vector<std::uint64_t> keys;
  for (Index i = 0; i < images; ++i) {
    names.push_back(picture_name(i));
    keys.push_back(decoder.key(i));
  }
  PictureFolder folder(a.output, std::move(names), std::move(keys));
  LongWork work(a.output.string(), images, a.skip_broken);
  std::vector<float> decoded;
  const std::string kept = ", which are kept: the same command goes on from there";
  work.run(folder.missing(), c, kept, [&](View<const Index> items, bool) {
    const std::vector<Index> good = decoder.decode(items, work, decoded);
    std::vector<Picture> pictures(good.size());
    parallel_for_or_throw(static_cast<Index>(good.size()), [&](Index i) {
      const View<const float> image = slice(View<const float>(decoded), i * c.image_values(), c.image_values());
      const auto at = static_cast<std::size_t>(i);
      pictures[at].png = encode_png(folder.path(good[at]).string(), to_pixels(c, image));
    });
    folder.write(good, pictures);
  });
  work.finish("all of them; the other " + std::to_string(work.good()) + mend);
}

/// Decodes `images` images' tokens and writes what `a` asks for.
template <class T>
void decode_tokens(const DecodeArguments& a, const Preset& preset, AnyTokenizer& tokenizer, View<const T> tokens,
                   Index images) {
  if (images == 0) throw Error(ErrorCode::mismatch, a.tokens.string(), "no tokens", "at least one image's");
  const Config& c = preset.config;
  Decoder<T> decoder(a, preset, tokenizer, tokens, images);
  if (a.output.extension() == ".npy") return decode_to_array(a, c, decoder, images);
  if (!is_picture_file(a.output)) return decode_to_folder(a, c, decoder, images);
  check_one_picture(a.output, images);
  LongWork work(a.output.string(), 1, false);
  std::vector<float> decoded;
  const Index only = 0;
  (void)decoder.decode(View<const Index>(&only, 1), work, decoded);
  write_png(a.output, to_pixels(c, decoded));
}

void decode(const DecodeArguments& a) {
  const Preset& preset = a.model.find_preset();
  const Config& config = preset.config;
  if (a.output.extension() == ".npy" || is_picture_file(a.output)) {
    InputFiles({a.tokens, a.text}).check_output(a.output);
  }
  const std::unique_ptr<AnyTokenizer> tokenizer = a.model.load(preset);
  if (config.has_codes()) {
    const TokenTable table = read_tokens(a.tokens, config.tokens(), config.codebook_size);
    return decode_tokens(a, preset, *tokenizer, View<const Token>(table.tokens), table.images());
  }
  const NpyFile file(a.tokens);
  const std::vector<Index>& shape = file.shape();
  if (shape.size() != 3 || shape[1] != config.tokens() || shape[2] != config.code_dim) {
    throw Error(ErrorCode::mismatch, file.path(), "shape " + to_string(shape),
                "[B, " + std::to_string(config.tokens()) + ", " + std::to_string(config.code_dim) +
                    "]: this model's tokens are continuous");
  }
  decode_tokens(a, preset, *tokenizer, file.values<float>(), shape[0]);
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
  c.add_option(
       "-o,--output", a->output,
       "a .npy file (float32 [B,C,H,W], not clamped), a .png for one image, or a folder for PNGs: new, empty, or "
       "of an earlier command. What an earlier call has made is not made again")
      ->required();
  add_skip_broken(c, a->skip_broken);
  c.callback([a, &run] { run = [a] { decode(*a); }; });
}

}  // namespace program

// A tokenizer chosen at run time among the presets that a program lists. Each preset is compiled on its own
// (compile_preset.hpp); the rest of the program sees only these interfaces, and compiles fast.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/core/buffer.hpp>
#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/model_file.hpp>
#include <tessera/io/self_check.hpp>

namespace tessera {

class AnyTrainer;
struct TrainOptions;

/// Tokenizer<config> behind virtual functions, on views of the caller's memory; every size stands in config(). What
/// models of the other Config::quantize_mode have throws Error(bad_argument), and so does what Tokenizer refuses: views
/// of other sizes, ids outside the codebook, NaN and infinity.
class AnyTokenizer {
 public:
  virtual ~AnyTokenizer() = default;

  [[nodiscard]] virtual const Config& config() const = 0;

  /// As Tokenizer: images [B, C, H, W] in the model's range -> ids [B, T]; margins [B, T] or empty.
  virtual void encode(View<const float> images, View<Token> ids, View<float> margins = {}) = 0;
  /// images [B, C, H, W] -> latents [B, T, code_dim] before quantization.
  virtual void latents(View<const float> images, View<float> latents) = 0;
  /// ids [B, T], each in [0, codebook_size) -> images [B, C, H, W], not clamped. text [B, length, width]: where the
  /// decoder sees one.
  virtual void decode(View<const Token> ids, View<float> images, View<const float> text = {}) = 0;

  /// Continuous tokens: images [B, C, H, W] -> latents [B, T, code_dim], the means, or with noise [B, T, code_dim]
  /// draws.
  virtual void encode(View<const float> images, View<float> latents, View<const float> noise = {}) = 0;
  /// latents [B, T, code_dim] -> images [B, C, H, W].
  virtual void decode(View<const float> latents, View<float> images, View<const float> text = {}) = 0;

  /// Encodes and decodes, whatever the tokens are: images [B, C, H, W] -> again [B, C, H, W].
  void reconstruct(View<const float> images, View<float> again, View<const float> text = {}) {
    const Config& c = config();
    check_count("AnyTokenizer::reconstruct", "values of the result", again.size(), std::ssize(images));
    const Index tokens = std::ssize(images) / c.image_values() * c.tokens();
    std::vector<Token> ids(static_cast<std::size_t>(c.has_codes() ? tokens : 0));
    std::vector<float> latents(static_cast<std::size_t>(c.has_codes() ? 0 : tokens * c.code_dim));
    encode_either(images, ids, latents);
    if (c.has_codes())
      decode(View<const Token>(ids), again, text);
    else
      decode(View<const float>(latents), again, text);
  }

  /// An image with its tokens, as a model's file carries them (io/self_check.hpp).
  [[nodiscard]] SelfCheck self_check() {
    return make_self_check(config(), [this](auto... views) { encode_either(views...); });
  }
  /// Encodes the image of a check again.
  [[nodiscard]] SelfCheckResult verify(const SelfCheck& check) {
    return run_self_check(config(), check, [this](auto... views) { encode_either(views...); });
  }

  /// Into that of the views which is not empty: ids [B, T] or latents [B, T, code_dim].
  void encode_either(View<const float> images, View<Token> ids, View<float> latents) {
    if (config().has_codes())
      encode(images, ids);
    else
      encode(images, latents);
  }
};

/// One tokenizer that a program knows: its name and sizes, and how it is made.
struct Preset {
  std::string_view name;
  Config config;
  Index parameters;                            ///< numbers that a model of it stores
  Index buffer_size;                           ///< of all of them in a buffer: ParameterTable<config>::size
  Index batch;                                 ///< images of one pass
  std::size_t encode_bytes, decode_bytes;      ///< of work memory that a tokenizer of this batch uses
  std::size_t (*weight_bytes)();               ///< of a tokenizer's weights
  const std::vector<Parameter>& (*tensors)();  ///< names and shapes
  std::unique_ptr<AnyTokenizer> (*tokenizer)(const ParameterSource& weights);
  std::unique_ptr<AnyTrainer> (*trainer)(const TrainOptions& options);

  /// As Tokenizer::load. Throws Error: file_access, bad_file, or mismatch.
  [[nodiscard]] std::unique_ptr<AnyTokenizer> load(const std::filesystem::path& path,
                                                   Verify verify = Verify::no) const {
    ModelSource source(path, config, tensors());
    std::unique_ptr<AnyTokenizer> loaded = tokenizer(std::ref(source));
    if (verify == Verify::yes) {
      verify_model_file(path, config, [&](auto... views) { loaded->encode_either(views...); });
    }
    return loaded;
  }
};

namespace detail {

inline std::string names_of(const std::vector<const Preset*>& presets) {
  std::string text;
  for (const Preset* preset : presets) text += (text.empty() ? "" : ", ") + std::string(preset->name);
  return text;
}

}  // namespace detail

/// The preset called `name`, or nullptr.
inline const Preset* find_preset(View<const Preset> presets, std::string_view name) {
  for (const Preset& preset : presets) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

/// The one of `presets` with the fewest statements, then tensors, that do not fit a file. Throws Error(bad_argument)
/// where there are none to choose from.
inline const Preset& nearest_preset(View<const Preset> presets, const WeightFile& file, const StatedConfig& stated) {
  if (presets.empty()) throw Error(ErrorCode::bad_argument, "presets", "none to choose from", "at least one");
  return *std::ranges::min_element(presets, {}, [&](const Preset& p) {
    return std::pair(differences(stated, p.config).size(), tensor_differences(file, p.tensors()).count());
  });
}

/// Every preset that agrees with what a model's file or folder states of its Config, and with each of its tensors; they
/// may be several where nothing is stated. Throws Error: file_access; bad_file; mismatch where there is none, with what
/// does not fit the nearest one.
inline std::vector<const Preset*> fitting_presets(View<const Preset> presets, const std::filesystem::path& model) {
  const WeightFile file(model);
  const StatedConfig stated = stated_config(file);
  std::vector<const Preset*> fitting;
  for (const Preset& preset : presets) {
    if (fits(file, stated, preset.config, preset.tensors())) fitting.push_back(&preset);
  }
  if (!fitting.empty()) return fitting;
  const Preset& nearest = nearest_preset(presets, file, stated);
  throw misfit(file, stated, nearest.config, nearest.tensors(), "the nearest preset, " + std::string(nearest.name));
}

/// The one preset that fits. Throws Error as fitting_presets, and mismatch where several fit.
inline const Preset& preset_of(View<const Preset> presets, const std::filesystem::path& model) {
  const std::vector<const Preset*> fitting = fitting_presets(presets, model);
  if (fitting.size() == 1) return *fitting.front();
  throw Error(ErrorCode::mismatch, model.string(), "tensors of several presets: " + detail::names_of(fitting),
              "a file that states its config");
}

}  // namespace tessera

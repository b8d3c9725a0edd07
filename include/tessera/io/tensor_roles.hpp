// What the tensors of a file are, by their names: a model's weights under one prefix, and what trainers put beside
// them.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/io/weight_file.hpp>

namespace tessera {

/// What a tensor is beside the weights that are loaded.
enum class TensorRole {
  weight,      ///< under the prefix: the model's own, or unknown
  alias,       ///< a weight once more, under the name of the reference implementation's layer list
  averaged,    ///< the weights' moving average, where the weights themselves are there too
  optimizer,   ///< state of an optimizer, a schedule or a run
  statistics,  ///< counts that training keeps beside the codebook
  unknown,
};

namespace detail {

inline bool is_one_of(std::string_view name, View<const std::string_view> starts) {
  return std::ranges::any_of(starts, [&](std::string_view start) { return name.starts_with(start); });
}

/// Averages as the usual trainers name them, and as tessera's checkpoints do.
inline bool is_averaged_name(std::string_view name) {
  constexpr std::array<std::string_view, 6> starts{"ema_model.", "ema.",      "model_ema.",
                                                   "module.ema", "model.ema", "average."};
  return is_one_of(name, starts);
}

inline bool is_optimizer_name(std::string_view name) {
  constexpr std::array<std::string_view, 12> starts{
      "optimizer",       "optim.",        "exp_avg",   "first_moment.", "second_moment.", "codebook.counts",
      "codebook.recent", "codebook.ema_", "scheduler", "lr_scheduler",  "loss_scaler",    "global_step"};
  return is_one_of(name, starts) || name == "step" || name == "epoch";
}

/// "encoder.model.3.bias", "decoder.model.0.weight".
inline bool is_alias_name(std::string_view name) {
  constexpr std::array<std::string_view, 2> starts{"encoder.model.", "decoder.model."};
  return is_one_of(name, starts);
}

}  // namespace detail

/// Which of a file's tensors are the model.
class TensorNames {
 public:
  /// Every tessera model has this tensor: what stands before it stands before every weight ("module." of PyTorch's data
  /// parallel wrapper, "model." of checkpoints). Averages are taken where there are no other weights.
  explicit TensorNames(const WeightFile& file) {
    std::vector<std::string> prefixes;
    for (const auto& [name, tensor] : file.tensors()) {
      if (!name.ends_with(anchor)) continue;
      const std::string prefix = name.substr(0, name.size() - anchor.size());
      if (prefix.empty() || prefix.ends_with('.')) prefixes.push_back(prefix);
    }
    const auto better = [](const std::string& a, const std::string& b) {
      return std::pair(detail::is_averaged_name(a), a.size()) < std::pair(detail::is_averaged_name(b), b.size());
    };
    if (!prefixes.empty()) prefix_ = *std::ranges::min_element(prefixes, better);
  }

  /// What stands before the names of the weights; usually nothing.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }

  [[nodiscard]] TensorRole role(std::string_view name) const {
    if (name.starts_with(prefix_)) {
      const std::string_view own = name.substr(prefix_.size());
      if (detail::is_alias_name(own)) return TensorRole::alias;
      if (own == "quantize.embed_prob") return TensorRole::statistics;
      if (!detail::is_averaged_name(prefix_) && detail::is_averaged_name(own)) return TensorRole::averaged;
      if (!prefix_.empty()) return TensorRole::weight;
    }
    if (detail::is_averaged_name(name)) return TensorRole::averaged;
    if (detail::is_optimizer_name(name)) return TensorRole::optimizer;
    return prefix_.empty() ? TensorRole::weight : TensorRole::unknown;
  }

 private:
  static constexpr std::string_view anchor = "encoder.ln_pre.weight";

  std::string prefix_;
};

}  // namespace tessera

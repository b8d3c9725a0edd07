// What keeps a codebook in use during training: a start without quantization, codes taken from the data, codes that
// nobody chose set anew, and, instead of a trained codebook, codes as moving averages of their latents.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/copy.hpp>
#include <tessera/core/error.hpp>
#include <tessera/vq/codebook_use.hpp>
#include <tessera/vq/kmeans.hpp>

namespace tessera {

enum class CodebookStart {
  as_is,   ///< the weights' own codes
  data,    ///< random latents
  kmeans,  ///< k-means++ and Lloyd's iterations over recent latents
};

struct CodebookOptions {
  CodebookStart start = CodebookStart::as_is;  ///< another one happens after unquantized_steps, which must be above 0
  Index unquantized_steps = 0;                 ///< the first steps, in which the decoder sees the latents themselves
  Index revive_every = 0;  ///< steps after which a code that no latent chose moves to a random one; 0: never
  double ema_decay = 0;    ///< > 0: codes are moving averages (van den Oord et al. 2017, appendix A.1)

  bool operator==(const CodebookOptions&) const = default;

  /// Whether unused codes move at the end of this step, and the counts of their use start anew.
  [[nodiscard]] bool revives_in(Index step) const {
    return revive_every > 0 && step > unquantized_steps && (step - unquantized_steps) % revive_every == 0;
  }
};

/// Latents and choices of the recent past, on the host. A checkpoint holds all of it.
struct CodebookState {
  std::vector<std::int64_t> counts;  ///< [K], choices since they were last cleared
  std::vector<float> recent;         ///< [recent_capacity, C], a ring
  std::int64_t recent_seen = 0;      ///< rows ever put into it
  std::vector<float> ema_counts;     ///< [K]
  std::vector<float> ema_sums;       ///< [K, C]
};

/// Throws Error(bad_argument) where `state` is not of the sizes of `like`.
inline void check_codebook_state(std::string_view subject, const CodebookState& state, const CodebookState& like) {
  const auto check = [&](const char* what, const auto& found, const auto& expected) {
    check_count(subject, what, found.size(), static_cast<Index>(expected.size()));
  };
  check("counts of codes", state.counts, like.counts);
  check("values of recent latents", state.recent, like.recent);
  check("averaged counts", state.ema_counts, like.ema_counts);
  check("averaged sums", state.ema_sums, like.ema_sums);
  if (state.recent_seen >= 0) return;
  throw Error(ErrorCode::bad_argument, subject, std::to_string(state.recent_seen) + " recent latents", "0 or more");
}

template <Index K, Index C>
class CodebookUpkeep : public CodebookState {
 public:
  /// Enough recent latents for k-means: ten a code, within 16 MiB, but at least two a code.
  static constexpr Index recent_capacity = std::max(2 * K, std::min(10 * K, (Index{1} << 22) / C));

  CodebookUpkeep() {
    counts.resize(static_cast<std::size_t>(K));
    recent.resize(static_cast<std::size_t>(recent_capacity * C));
    ema_counts.resize(static_cast<std::size_t>(K));
    ema_sums.resize(static_cast<std::size_t>(K * C));
  }

  /// z [rows, C]: latents of one pass; ids [rows], or empty in the start without quantization.
  void observe(View<const float> z, View<const Token> ids) {
    const Index rows = static_cast<Index>(z.size()) / C;
    for (Index r = 0; r < rows; ++r) {
      copy_values(z.data() + r * C, C, recent.data() + (recent_seen % recent_capacity) * C);
      ++recent_seen;
    }
    for (const Token id : ids) ++counts[static_cast<std::size_t>(id)];
  }

  /// Codes from the latents seen, by the start that is asked for.
  template <Backend B>
  void start(CodebookStart how, View<float> codes, Random random) const {
    if (how == CodebookStart::as_is || recent_rows() == 0) return;
    const View<const float> points(recent.data(), static_cast<std::size_t>(recent_rows() * C));
    if (how == CodebookStart::data) {
      const std::vector<Index> order = permutation(recent_rows(), random);
      for (Index k = 0; k < K; ++k) copy_recent(order[static_cast<std::size_t>(k % recent_rows())], codes, k);
      return;
    }
    kmeans_plus_plus(points, recent_rows(), C, codes, random);
    kmeans<B, K, C>(points, recent_rows(), codes, kmeans_iterations);
  }

  /// Moves every code that was not chosen since the last call to a random recent latent; returns which.
  std::vector<Index> revive(View<float> codes, Random random) {
    std::vector<Index> dead;
    for (Index k = 0; k < K; ++k) {
      if (counts[static_cast<std::size_t>(k)] == 0) dead.push_back(k);
    }
    for (const Index k : dead) {
      const Index row = random.below(recent_rows());
      copy_recent(row, codes, k);
      ema_counts[static_cast<std::size_t>(k)] = 1;
      copy_recent(row, ema_sums, k);
    }
    return dead;
  }

  /// The averages start from the codes as they are, each as if chosen once.
  void start_ema(View<const float> codes) {
    std::ranges::fill(ema_counts, 1.0F);
    std::ranges::copy(codes, ema_sums.begin());
  }

  /// N = decay N + (1 - decay) n;  m = decay m + (1 - decay) sum of z;  code = m / N.
  void update_ema(double decay, View<const float> z, View<const Token> ids, View<float> codes) {
    const auto keep = static_cast<float>(decay), take = static_cast<float>(1.0 - decay);
    for (float& n : ema_counts) n *= keep;
    for (float& m : ema_sums) m *= keep;
    for (std::size_t r = 0; r < ids.size(); ++r) {
      const auto k = static_cast<std::size_t>(ids[r]);
      ema_counts[k] += take;
      for (std::size_t c = 0; c < C; ++c) ema_sums[k * C + c] += take * z[r * C + c];
    }
    for (std::size_t k = 0; k < K; ++k) {
      // A code that nobody chooses keeps its place: both parts decay alike, until they would underflow.
      if (ema_counts[k] < least_ema_count) {
        ema_counts[k] = least_ema_count;
        for (std::size_t c = 0; c < C; ++c) ema_sums[k * C + c] = least_ema_count * codes[k * C + c];
      } else {
        for (std::size_t c = 0; c < C; ++c) codes[k * C + c] = ema_sums[k * C + c] / ema_counts[k];
      }
    }
  }

 private:
  static constexpr Index kmeans_iterations = 10;
  static constexpr float least_ema_count = 1e-20F;

  [[nodiscard]] Index recent_rows() const { return std::min<Index>(recent_seen, recent_capacity); }
  void copy_recent(Index row, View<float> codes, Index k) const {
    copy_values(recent.data() + row * C, C, codes.data() + k * C);
  }
};

}  // namespace tessera

// The search for the nearest code on a backend, and whether it found them.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <gpu/rows.hpp>
#include <gpu/values.hpp>

namespace tessera::benchmarks {

template <class B, Index K, Index C>
struct Nearest {
  using S = typename B::Scalar;

  Index rows;
  typename B::template Buffer<S> z, codes, packed;  // [rows, C], [K, C], as pack_codes packs them
  typename B::template Buffer<Token> ids;           // [rows]

  explicit Nearest(Index rows_)
      : rows(rows_),
        z(uploaded<B>(normal_values(rows * C, 1))),
        codes(uploaded<B>(normal_values(K * C, 2))),
        packed(B::packed_codes_size(shape<K, C>)),
        ids(rows) {
    B::pack_codes(shape<K, C>, codes.view(), packed.view());
  }

  void run() { B::nearest_code(shape<K, C>, rows, z.view(), packed.view(), ids.view(), View<Wide<S>>()); }
};

inline double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return sum;
}

/// Throws where a code is nearer than the found one by more than the rounding of float32 sums. Some hundred
/// rows, the last among them.
template <class B, Index K, Index C>
void check_nearest(const Nearest<B, K, C>& nearest) {
  const std::vector<float> z = downloaded<B>(nearest.z), codes = downloaded<B>(nearest.codes);
  std::vector<Token> ids(static_cast<std::size_t>(nearest.rows));
  B::download_tokens(nearest.ids.view(), ids);
  for (Index row = nearest.rows - 1; row >= 0; row -= 1 + nearest.rows / 100) {
    const auto distance = [&](Index k) {
      return squared_distance(slice(View<const float>(z), row * C, C), slice(View<const float>(codes), k * C, C));
    };
    const Index id = ids[static_cast<std::size_t>(row)];
    require(id >= 0 && id < K, text("id %td of %td codes", id, K));
    double best = distance(0);
    for (Index k = 1; k < K; ++k) best = std::min(best, distance(k));
    require(distance(id) <= best + 1e-5 * C, text("the nearest of %td codes of %td at row %td", K, C, row));
  }
}

}  // namespace tessera::benchmarks

// ids[r] = argmin_k |z[r] - codes[k]|^2, the lowest k on a tie; one call per row, sixteen codes at a time: plain loops
// for Thrust's OpenMP system.
#pragma once

#include <limits>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>
#include <tessera/backend/thrust/panels.hpp>

namespace tessera::thrust_detail {

template <class S, Index K, Index C>
struct NearestCode {
  const S* z;       // [rows, C]
  const S* packed;  // [panels, C, 16]
  Token* ids;       // [rows]
  float* margins;   // [rows], or null

  static constexpr float infinity = std::numeric_limits<float>::infinity();

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    float nearest = infinity;
    float second = infinity;
    Index id = 0;
    for (Index first = 0; first < K; first += panel_columns) {
      float distances[panel_columns] = {};
      for (Index c = 0; c < C; ++c) {
        for (Index j = 0; j < panel_columns; ++j) {
          const float difference = z[r * C + c] - packed[first * C + c * panel_columns + j];
          distances[j] += difference * difference;
        }
      }
      for (Index j = 0; j < smaller(panel_columns, K - first); ++j) {
        if (distances[j] < nearest) {
          second = nearest;
          nearest = distances[j];
          id = first + j;
        } else if (distances[j] < second) {
          second = distances[j];
        }
      }
    }
    ids[r] = static_cast<Token>(id);
    if (margins != nullptr) margins[r] = second - nearest;
  }
};

template <class System>
struct NearestCodeOps {
  using S = typename System::Scalar;

  template <Index K, Index C>
  static constexpr Index packed_codes_size(Shape<K, C>) {
    return PackPanels<S, C, K>::size;
  }
  template <Index K, Index C>
  static void pack_codes(Shape<K, C>, View<const S> codes, View<S> packed) {
    using Pack = PackPanels<S, C, K>;
    launch<System>(Pack::size, Pack{codes.data(), C, 1, packed.data()});
  }
  template <Index K, Index C>
  static void nearest_code(Shape<K, C>, Index rows, View<const S> z, View<const S> packed, View<Token> ids,
                           View<Wide<S>> margins) {
    launch<System>(rows, NearestCode<S, K, C>{z.data(), packed.data(), ids.data(), optional(margins)});
  }
};

}  // namespace tessera::thrust_detail

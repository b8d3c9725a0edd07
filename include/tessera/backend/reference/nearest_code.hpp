// ids[r] = argmin_k |z[r] - codes[k]|^2, the lowest k on a tie. Packing is a plain copy.
#pragma once

#include <algorithm>
#include <limits>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct NearestCodeOps {
  template <Index K, Index C>
  static constexpr Index packed_codes_size(Shape<K, C>) {
    return K * C;
  }
  template <Index K, Index C>
  static void pack_codes(Shape<K, C>, View<const T> codes, View<T> packed) {
    std::copy_n(codes.data(), K * C, packed.data());
  }

  template <Index K, Index C>
  static void nearest_code(Shape<K, C>, Index rows, View<const T> z, View<const T> codes, View<Token> ids,
                           View<T> margins) {
    for (Index r = 0; r < rows; ++r) {
      T nearest = T(std::numeric_limits<double>::infinity());
      T second = nearest;
      ids[r] = 0;
      for (Index k = 0; k < K; ++k) {
        T distance{};
        for (Index i = 0; i < C; ++i) {
          const T difference = z[r * C + i] - codes[k * C + i];
          distance += difference * difference;
        }
        if (distance < nearest) {
          second = nearest;
          nearest = distance;
          ids[r] = static_cast<Token>(k);
        } else {
          second = std::min(second, distance);
        }
      }
      if (!margins.empty()) margins[r] = second - nearest;
    }
  }
};

}  // namespace tessera::reference_detail

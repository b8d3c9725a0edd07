// ids[r] = argmin_k |z[r] - codes[k]|^2 = argmax_k z[r] . codes[k] - |codes[k]|^2 / 2 on a GPU: products of tiles whose
// scores stay in registers. No [rows, K] matrix exists: by a count of bytes and operations, to write and read it would
// take longer than the arithmetic. What is said of speed here and in the kernels is reasoned, not measured on a GPU.
#pragma once

#include <type_traits>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/kernels/grid.hpp>
#include <tessera/backend/thrust/kernels/nearest_code_bfloat16.hpp>
#include <tessera/backend/thrust/kernels/nearest_code_float.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <class System>
struct KernelNearestCodeOps {
  using S = typename System::Scalar;

  template <Index K, Index C>
  static constexpr Index packed_codes_size(Shape<K, C>) {
    return Sizes<C>::packed_size(K);
  }
  template <Index K, Index C>
  static void pack_codes(Shape<K, C>, View<const S> codes, View<S> packed) {
    launch<System>(tiles<K, C> * Sizes<C>::codes, typename Sizes<C>::Pack{K, codes.data(), packed.data()});
  }
  template <Index K, Index C>
  static void nearest_code(Shape<K, C> size, Index rows, View<const S> z, View<const S> packed, View<Token> ids,
                           View<Wide<S>> margins) {
    if (rows > 0) nearest_code_in(size, splits<K, C>(rows), rows, z, packed, ids, margins);
  }

  /// With each row's codes divided into so many parts, up to their tiles: the same bits for any number.
  template <Index K, Index C>
  static void nearest_code_in(Shape<K, C>, Index splits, Index rows, View<const S> z, View<const S> packed,
                              View<Token> ids, View<Wide<S>> margins) {
    auto partials = System::template scratch<NearestCandidate>(splits > 1 ? rows * splits : 0);
    const NearestResult result{ids.data(), optional(margins), optional(partials.view())};
    System::run(kernel<C>(), grid_of(ceil_div(rows, Sizes<C>::rows), splits), Sizes<C>::threads, Sizes<C>::shared_bytes,
                rows, tiles<K, C>, z.data(), packed.data(), result);
    if (splits == 1) return;
    System::run(join_partials<lanes_per_join>, grid_of(ceil_div(rows, join_threads / lanes_per_join)), join_threads, 0,
                rows, splits, result);
  }

 private:
  template <Index C>
  using Sizes = std::conditional_t<std::is_same_v<S, float>, NearestFloatSizes<C>, NearestBfloat16Sizes<C>>;
  template <Index K, Index C>
  static constexpr Index tiles = ceil_div(K, Sizes<C>::codes);

  template <Index C>
  static constexpr auto kernel() {
    if constexpr (std::is_same_v<S, float>) {
      return nearest_float<C>;
    } else {
      return nearest_bfloat16<C>;
    }
  }

  /// Two to four times as many blocks as a large GPU runs at once, where there are tiles enough: few rows fill it too,
  /// and of many the last blocks do not leave most of it idle. Not tuned on a GPU.
  static constexpr Index enough_blocks = 1024;
  template <Index K, Index C>
  static Index splits(Index rows) {
    return smaller(tiles<K, C>, ceil_div(enough_blocks, ceil_div(rows, Sizes<C>::rows)));
  }
};

}  // namespace tessera::thrust_detail

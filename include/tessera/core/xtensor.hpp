// xtensor, and where its headers lie: 0.24 (Debian 12) has them in one folder, 0.26 and later in several.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

namespace tessera {

/// [channels, height, width], in the model's input range.
using Image = xt::xtensor<float, 3>;

namespace detail {

template <class Shape>
inline constexpr std::size_t rank_of_shape = 0;
template <class T, std::size_t N>
inline constexpr std::size_t rank_of_shape<std::array<T, N>> = N;
template <std::size_t... sizes>
inline constexpr std::size_t rank_of_shape<xt::fixed_shape<sizes...>> = sizeof...(sizes);

}  // namespace detail

/// The number of dimensions of an xtensor expression, or 0 where only its run-time value is known.
template <class Expression>
inline constexpr std::size_t rank_of = detail::rank_of_shape<typename std::decay_t<Expression>::shape_type>;

}  // namespace tessera

// xtensor, and where its headers lie: 0.24 (Debian 12) has them in one folder, 0.26 and later in several.
#pragma once

#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#endif

namespace tessera {

/// [channels, height, width], in the model's input range.
using Image = xt::xtensor<float, 3>;

/// The number of dimensions of an xtensor expression, or SIZE_MAX where only its run-time value is known.
template <class Expression>
inline constexpr std::size_t rank_of = xt::get_rank<std::decay_t<Expression>>::value;

}  // namespace tessera

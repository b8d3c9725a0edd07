// Sixteen floats, whatever the register width: one AVX-512 register, two of AVX2, four of NEON. Every sum that runs
// across lanes is a sum over sixteen, so its order, and with it every bit, is the same on each instruction set.
#pragma once

#include <array>

#include <tessera/core/types.hpp>
#include <tessera/core/xsimd.hpp>

// g++ leaves lambdas in big functions as calls, which costs more than what they do.
#define TESSERA_INLINE_LAMBDA __attribute__((always_inline))

namespace tessera::cpu_detail {

inline constexpr Index lanes = 16;

template <class Arch>
struct Lanes {
  static_assert(has_fused_multiply_add<Arch>,
                "tessera::cpu needs fused multiply-add: compile with -march=x86-64-v3 or -march=native.");

  using Batch = xsimd::batch<float, Arch>;
  static constexpr Index width = static_cast<Index>(Batch::size);
  static constexpr Index parts = lanes / width;

  std::array<Batch, static_cast<std::size_t>(parts)> part;

  [[gnu::always_inline]] static Lanes broadcast(float value) {
    return make([&](Index) TESSERA_INLINE_LAMBDA { return Batch(value); });
  }
  [[gnu::always_inline]] static Lanes load(const float* p) {
    return make([&](Index i) TESSERA_INLINE_LAMBDA { return Batch::load_unaligned(p + i * width); });
  }
  /// The first n values; `rest` in the other lanes.
  [[gnu::always_inline]] static Lanes load_partial(const float* p, Index n, float rest = 0.0F) {
    alignas(64) float values[lanes];
    for (Index i = 0; i < lanes; ++i) values[i] = i < n ? p[i] : rest;
    return load(values);
  }
  [[gnu::always_inline]] void store(float* p) const {
    for (Index i = 0; i < parts; ++i) part[static_cast<std::size_t>(i)].store_unaligned(p + i * width);
  }
  [[gnu::always_inline]] void store_partial(float* p, Index n) const {
    alignas(64) float values[lanes];
    store(values);
    for (Index i = 0; i < n; ++i) p[i] = values[i];
  }

  /// Lane by lane f(batch...), for operations that xsimd has and this struct does not.
  template <class F, class... Others>
  [[gnu::always_inline]] static Lanes map(F&& f, const Others&... others) {
    return make([&](Index i) TESSERA_INLINE_LAMBDA { return f(others.part[static_cast<std::size_t>(i)]...); });
  }

  [[gnu::always_inline]] friend Lanes operator+(const Lanes& a, const Lanes& b) {
    return map([](Batch x, Batch y) TESSERA_INLINE_LAMBDA { return Batch(x + y); }, a, b);
  }
  [[gnu::always_inline]] friend Lanes operator-(const Lanes& a, const Lanes& b) {
    return map([](Batch x, Batch y) TESSERA_INLINE_LAMBDA { return Batch(x - y); }, a, b);
  }
  [[gnu::always_inline]] friend Lanes operator*(const Lanes& a, const Lanes& b) {
    return map([](Batch x, Batch y) TESSERA_INLINE_LAMBDA { return Batch(x * y); }, a, b);
  }
  [[gnu::always_inline]] friend Lanes operator/(const Lanes& a, const Lanes& b) {
    return map([](Batch x, Batch y) TESSERA_INLINE_LAMBDA { return quotient(x, y); }, a, b);
  }
  /// a * b + c with one rounding.
  [[gnu::always_inline]] friend Lanes fma(const Lanes& a, const Lanes& b, const Lanes& c) {
    return map([](Batch x, Batch y, Batch z) TESSERA_INLINE_LAMBDA { return fused(x, y, z); }, a, b, c);
  }
  /// The larger value of each lane; NaN where b is NaN. So is min.
  [[gnu::always_inline]] friend Lanes max(const Lanes& a, const Lanes& b) {
    return map([](Batch x, Batch y) TESSERA_INLINE_LAMBDA { return larger(x, y); }, a, b);
  }
  [[gnu::always_inline]] friend Lanes min(const Lanes& a, const Lanes& b) {
    return map([](Batch x, Batch y) TESSERA_INLINE_LAMBDA { return smaller(x, y); }, a, b);
  }

  /// ((lane 0 + lane 8) + (lane 4 + lane 12)) + ...: halves are added until one value is left.
  [[nodiscard]] float sum() const {
    alignas(64) float v[lanes];
    store(v);
    for (Index half = lanes / 2; half > 0; half /= 2) {
      for (Index i = 0; i < half; ++i) v[i] += v[i + half];
    }
    return v[0];
  }

 private:
  template <class F>
  [[gnu::always_inline]] static Lanes make(F&& f) {
    return [&]<std::size_t... i>(std::index_sequence<i...>) TESSERA_INLINE_LAMBDA {
      return Lanes{{f(static_cast<Index>(i))...}};
    }
    (std::make_index_sequence<static_cast<std::size_t>(parts)>{});
  }
};

}  // namespace tessera::cpu_detail

#undef TESSERA_INLINE_LAMBDA

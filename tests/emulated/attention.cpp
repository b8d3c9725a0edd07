// The attention kernels against the reference in double on the same inputs: float32 to the tolerances of every backend,
// bfloat16 to what rounding the weights and the results allows, value by value.
#include <tessera/backend/reference/attention.hpp>
#include <tessera/backend/thrust/kernels/attention.hpp>

#include <utility>

#include <cases/attention.hpp>
#include <emulated/formats.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::AttentionOps<double>;
template <class S>
using Kernels = thrust_detail::KernelAttentionOps<KernelSystem<S>>;
using cases::AttentionTiles;

template <class S>
std::vector<S> normal(Index size, float amplitude, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0.0F, amplitude);
  std::vector<S> values(static_cast<std::size_t>(size));
  for (S& value : values) value = distribution(generator);
  return values;
}

/// Every array of one call; the outputs start as NaN.
template <class S>
struct Arrays {
  std::vector<S> q, kv, dy, y, dq, dkv;
  std::vector<Wide<S>> log_sum_exp;

  bool operator==(const Arrays& other) const {
    return same_bytes(y, other.y) && same_bytes(log_sum_exp, other.log_sum_exp) && same_bytes(dq, other.dq) &&
           same_bytes(dkv, other.dkv);
  }
};

template <class S, Index D, Index heads>
Arrays<S> inputs(const AttentionTiles& c) {
  return {normal<S>(c.batch * c.q_rows * D, c.amplitude, 1),
          normal<S>(c.batch * c.kv_rows * 2 * D, c.amplitude, 2),
          normal<S>(c.batch * c.q_rows * D, 1.0F, 3),
          unwritten<S>(c.batch * c.q_rows * D),
          unwritten<S>(c.batch * c.q_rows * D),
          unwritten<S>(c.batch * c.kv_rows * 2 * D),
          unwritten<Wide<S>>(c.batch * heads * c.q_rows)};
}
template <class S>
Arrays<double> exact(const Arrays<S>& a) {
  return {converted<double>(a.q),  converted<double>(a.kv),  converted<double>(a.dy),         converted<double>(a.y),
          converted<double>(a.dq), converted<double>(a.dkv), converted<double>(a.log_sum_exp)};
}

template <class Ops, Index D, Index heads, class S>
void forward(const AttentionTiles& c, Arrays<S>& a) {
  Ops::attention(shape<D, heads>, c.batch, c.q_rows, c.kv_rows, a.q, a.kv, a.y, a.log_sum_exp);
}
template <class Ops, Index D, Index heads, class S>
void backward(const AttentionTiles& c, Arrays<S>& a) {
  Ops::attention_backward(shape<D, heads>, c.batch, c.q_rows, c.kv_rows, a.q, a.kv, a.y, a.log_sum_exp, a.dy, a.dq,
                          a.dkv);
}
template <Index D, Index heads, class S>
void run(const AttentionTiles& c, Arrays<S>& a) {
  forward<Kernels<S>, D, heads>(c, a);
  backward<Kernels<S>, D, heads>(c, a);
}

/// What the kernels make of a case, in either schedule where several warps share several tiles.
template <class S, Index D, Index heads>
Arrays<S> results(const AttentionTiles& c) {
  auto found = inputs<S, D, heads>(c);
  run<D, heads>(c, found);
  if (c.q_rows > 32 && c.kv_rows > 64) {
    auto other = inputs<S, D, heads>(c);
    with_other_schedule([&] { run<D, heads>(c, other); });
    CHECK(other == found);
  }
  return found;
}

/// Errors are relative to the inputs' amplitude at least: where one weight is nearly 1, dq is what rounding leaves of a
/// difference.
template <Index D, Index heads>
void check(const AttentionTiles& c, const Arrays<float>& kernels) {
  auto expected = exact(kernels);
  forward<Reference, D, heads>(c, expected);
  backward<Reference, D, heads>(c, expected);
  const auto found = exact(kernels);
  const double amplitude = static_cast<double>(c.amplitude);
  CHECK(error(found.y, expected.y, amplitude) < c.tolerance);
  CHECK(error(found.log_sum_exp, expected.log_sum_exp, amplitude) < c.tolerance);
  CHECK(error(found.dq, expected.dq, amplitude) < c.backward_tolerance);
  CHECK(error(found.dkv, expected.dkv, amplitude) < c.backward_tolerance);
}

/// For every output the sum of its terms' magnitudes: rounding each term can move it by that times half a unit.
template <Index D, Index heads>
Arrays<double> magnitudes(const AttentionTiles& c, const Arrays<double>& a) {
  auto sums = a;
  for (auto* array : {&sums.y, &sums.dq, &sums.dkv}) std::fill(array->begin(), array->end(), 0.0);
  constexpr Index width = D / heads;
  const double scale = 1 / std::sqrt(static_cast<double>(width));
  const thrust_detail::AttentionRows<D, heads> rows{c.q_rows, c.kv_rows};
  for (Index i = 0; i < c.batch * heads * c.q_rows; ++i) {
    const Index b = rows.image(i, c.q_rows), head = rows.head(i, c.q_rows);
    const Index query = rows.query(b, i % c.q_rows, head);
    for (Index j = 0; j < c.kv_rows; ++j) {
      const Index key = rows.key(b, j, head);
      double score = 0, slope = 0;
      for (Index x = 0; x < width; ++x) {
        score += a.q[query + x] * a.kv[key + x] * scale;
        slope += a.dy[query + x] * (a.kv[key + D + x] - a.y[query + x]);
      }
      const double p = std::exp(score - a.log_sum_exp[i]);
      const double ds = std::abs(p * slope * scale);
      for (Index x = 0; x < width; ++x) {
        sums.y[query + x] += p * std::abs(a.kv[key + D + x]);
        sums.dq[query + x] += ds * std::abs(a.kv[key + x]);
        sums.dkv[key + x] += ds * std::abs(a.q[query + x]);
        sums.dkv[key + D + x] += p * std::abs(a.dy[query + x]);
      }
    }
  }
  return sums;
}

/// The largest error over what rounding terms and result to eight bits may add up to; `slack` beside it is for sums in
/// float32. Up to 0.7 where it is right, and more than 1 where scores are rounded too.
double share_of_rounding(const std::vector<double>& found, const std::vector<double>& expected,
                         const std::vector<double>& terms, double slack) {
  double largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!std::isfinite(found[i])) return std::numeric_limits<double>::infinity();
    const double bound = (terms[i] + std::abs(expected[i])) / 256 + slack;
    largest = std::max(largest, std::abs(found[i] - expected[i]) / bound);
  }
  return largest;
}

template <Index D, Index heads>
void check(const AttentionTiles& c, const Arrays<bfloat16>& kernels) {
  const auto found = exact(kernels);
  auto expected = found;
  forward<Reference, D, heads>(c, expected);
  const double amplitude = static_cast<double>(c.amplitude);
  CHECK(error(found.log_sum_exp, expected.log_sum_exp, amplitude) < 1e-6);
  const auto y = std::exchange(expected.y, found.y);  // the gradients' input: its rounding is no fault of theirs
  backward<Reference, D, heads>(c, expected);
  const auto terms = magnitudes<D, heads>(c, expected);
  const double slack = 1e-5 * amplitude * amplitude;
  CHECK(share_of_rounding(found.y, y, terms.y, slack) < 1);
  CHECK(share_of_rounding(found.dq, expected.dq, terms.dq, slack) < 1);
  CHECK(share_of_rounding(found.dkv, expected.dkv, terms.dkv, slack) < 1);
}

template <class S, Index D, Index heads>
void check(const AttentionTiles& c) {
  CAPTURE(D);
  CAPTURE(heads);
  CAPTURE(c.batch);
  CAPTURE(c.q_rows);
  CAPTURE(c.kv_rows);
  check<D, heads>(c, results<S, D, heads>(c));
}

template <class S>
void check_shapes() {
  cases::attention([]<Index D, Index heads>(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows) {
    check<S, D, heads>({batch, q_rows, kv_rows, 1.0F, 1e-6, 2e-6});
  });
  cases::attention_shapes([]<Index D, Index heads>(Shape<D, heads>) {
    for (const AttentionTiles& c : cases::attention_tiles) {
      if (c.q_rows * c.kv_rows < 20000) check<S, D, heads>(c);  // more takes the emulated GPU long
    }
  });
  check<S, 256, 1>({1, 33, 70, 1.0F, 1e-6, 2e-6});  // the widest
}

template <class T>
std::vector<T> part(const std::vector<T>& all, Index index, Index count) {
  const auto n = static_cast<std::ptrdiff_t>(all.size()) / count;
  return {all.begin() + index * n, all.begin() + (index + 1) * n};
}

/// Each image alone, and the first of its queries alone, without log_sum_exp.
template <class S>
void check_alone() {
  constexpr Index D = 128, heads = 2;
  const AttentionTiles c{3, 150, 70, 1.0F, 0, 0};
  const AttentionTiles one{1, c.q_rows, c.kv_rows, 1.0F, 0, 0};
  auto batch = inputs<S, D, heads>(c);
  run<D, heads>(c, batch);
  for (Index image = 0; image < c.batch; ++image) {
    const auto of_image = [&](const auto& all) { return part(all, image, c.batch); };
    const Arrays<S> expected{of_image(batch.q),  of_image(batch.kv),  of_image(batch.dy),         of_image(batch.y),
                             of_image(batch.dq), of_image(batch.dkv), of_image(batch.log_sum_exp)};
    auto alone = inputs<S, D, heads>(one);
    alone.q = expected.q;
    alone.kv = expected.kv;
    alone.dy = expected.dy;
    run<D, heads>(one, alone);
    CHECK(alone == expected);
    for (const Index row : {0, 20, 149}) {
      auto y = unwritten<S>(D);
      Kernels<S>::attention(shape<D, heads>, 1, 1, c.kv_rows, part(expected.q, row, c.q_rows), expected.kv, y, {});
      CHECK(same_bytes(y, part(expected.y, row, c.q_rows)));
    }
  }
}

/// exp(-log_sum_exp) is infinite: what stands for a key or query that does not exist must not meet it.
template <class S>
void check_low_scores() {
  constexpr Index D = 16;
  const AttentionTiles c{1, 5, 70, 1.0F, 0, 0};
  auto a = inputs<S, D, 1>(c);
  for (S& value : a.q) value = 20.0F;
  for (Index key = 0; key < c.kv_rows; ++key) {
    for (Index x = 0; x < D; ++x) a.kv[key * 2 * D + x] = -20.0F;
  }
  auto expected = exact(a);
  run<D, 1>(c, a);
  forward<Reference, D, 1>(c, expected);
  backward<Reference, D, 1>(c, expected);
  const auto found = exact(a);
  CHECK(found.log_sum_exp[0] == doctest::Approx(-1600 + std::log(70.0)));
  CHECK(error(found.y, expected.y, 1) < 0.01);
  CHECK(error(found.dq, expected.dq, 20) < 0.01);
  CHECK(error(found.dkv, expected.dkv, 20) < 0.01);
}

}  // namespace

TEST_CASE("attention kernels: float32 agrees with the reference in double") {
  check_shapes<float>();
}

TEST_CASE("attention kernels: bfloat16 differs from the reference in double by rounding") {
  check_shapes<bfloat16>();
}

TEST_CASE("attention kernels: the same bits alone and in a batch") {
  check_alone<float>();
  check_alone<bfloat16>();
}

TEST_CASE("attention kernels: scores far below zero") {
  check_low_scores<float>();
  check_low_scores<bfloat16>();
}

TEST_CASE("attention kernels: heads that are wider than any kernel's") {
  check<float, 300, 1>({2, 3, 5, 1.0F, 1e-6, 2e-6});
  check<bfloat16, 300, 1>({2, 3, 5, 1.0F, 1e-6, 2e-6});
}

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/attention.hpp>
#include <tessera/backend/reference/attention.hpp>
#include <tessera/core/parallel.hpp>

using namespace tessera;

namespace {

using testing::as;
using testing::poisoned;
using testing::Tested;

/// Every array of one call, forward and backward; the outputs start as NaN.
template <class T>
struct Arrays {
  std::vector<T> q, kv, dy, y, log_sum_exp, dq, dkv;
};

std::vector<float> normal(Index size, float amplitude, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0.0F, amplitude);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = distribution(generator);
  return values;
}

template <class T, Index D, Index heads>
Arrays<T> inputs(cases::AttentionTiles c) {
  return {as<T>(normal(c.batch * c.q_rows * D, c.amplitude, 1)),
          as<T>(normal(c.batch * c.kv_rows * 2 * D, c.amplitude, 2)),
          as<T>(normal(c.batch * c.q_rows * D, 1.0F, 3)),
          poisoned<T>(c.batch * c.q_rows * D),
          poisoned<T>(c.batch * heads * c.q_rows),
          poisoned<T>(c.batch * c.q_rows * D),
          poisoned<T>(c.batch * c.kv_rows * 2 * D)};
}

template <class Ops, Index D, Index heads, class T>
void run(cases::AttentionTiles c, Arrays<T>& a) {
  Ops::attention(shape<D, heads>, c.batch, c.q_rows, c.kv_rows, a.q, a.kv, a.y, a.log_sum_exp);
  Ops::attention_backward(shape<D, heads>, c.batch, c.q_rows, c.kv_rows, a.q, a.kv, a.y, a.log_sum_exp, a.dy, a.dq,
                          a.dkv);
}

/// Relative to the expected values' largest magnitude, but never to less than the inputs' (amplitude): where one weight
/// is nearly 1, dq is what rounding leaves of a difference.
double distance(const std::vector<float>& found, const std::vector<double>& expected, double amplitude) {
  double largest = amplitude;
  double difference = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!std::isfinite(found[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(expected[i] - static_cast<double>(found[i])));
  }
  return difference / largest;
}

bool same_bits(const float* a, const float* b, std::size_t n) {
  return std::memcmp(a, b, n * sizeof(float)) == 0;
}
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && same_bits(a.data(), b.data(), a.size());
}
bool same_bits(const Arrays<float>& a, const Arrays<float>& b) {
  return same_bits(a.y, b.y) && same_bits(a.log_sum_exp, b.log_sum_exp) && same_bits(a.dq, b.dq) &&
         same_bits(a.dkv, b.dkv);
}

template <Index D, Index heads>
void check_against_reference(cases::AttentionTiles c) {
  CAPTURE(D);
  CAPTURE(heads);
  CAPTURE(c.batch);
  CAPTURE(c.q_rows);
  CAPTURE(c.kv_rows);
  auto expected = inputs<double, D, heads>(c);
  auto found = inputs<float, D, heads>(c);
  run<reference_detail::AttentionOps<double>, D, heads>(c, expected);
  run<Tested, D, heads>(c, found);
  CHECK(distance(found.y, expected.y, c.amplitude) < c.tolerance);
  CHECK(distance(found.log_sum_exp, expected.log_sum_exp, c.amplitude) < c.tolerance);
  CHECK(distance(found.dq, expected.dq, c.amplitude) < c.backward_tolerance);
  CHECK(distance(found.dkv, expected.dkv, c.amplitude) < c.backward_tolerance);
}

/// Three tasks at a time, whatever the number of cores.
[[maybe_unused]] void three_threads(Index count, void (*task)(void*, Index), void* context) {
  std::vector<std::jthread> threads;
  for (Index t = 0; t < 3; ++t) {
    threads.emplace_back([=] {
      for (Index i = t; i < count; i += 3) task(context, i);
    });
  }
}

}  // namespace

TEST_CASE("attention and its gradients agree with the reference in double") {
  cases::attention([]<Index D, Index heads>(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows) {
    check_against_reference<D, heads>({batch, q_rows, kv_rows, 1.0F, 1e-6, 2e-6});
  });
  cases::attention_shapes([]<Index D, Index heads>(Shape<D, heads>) {
    for (const cases::AttentionTiles& c : cases::attention_tiles) check_against_reference<D, heads>(c);
  });
}

TEST_CASE("attention without log_sum_exp gives the same output") {
  const cases::AttentionTiles c{2, 37, 200, 1.0F, 0.0, 0.0};
  auto with = inputs<float, 40, 2>(c);
  auto without = with;
  Tested::attention(shape<40, 2>, c.batch, c.q_rows, c.kv_rows, with.q, with.kv, with.y, with.log_sum_exp);
  Tested::attention(shape<40, 2>, c.batch, c.q_rows, c.kv_rows, without.q, without.kv, without.y, {});
  CHECK(same_bits(with.y, without.y));
  CHECK(std::isnan(without.log_sum_exp[0]));
}

TEST_CASE("attention gives an image the same bits alone and in a batch") {
  const cases::AttentionTiles c{3, 37, 200, 1.0F, 0.0, 0.0};
  constexpr Index D = 40;
  constexpr Index heads = 2;
  auto batch = inputs<float, D, heads>(c);
  run<Tested, D, heads>(c, batch);
  for (Index image = 0; image < c.batch; ++image) {
    const auto slice = [&](const std::vector<float>& all) {
      const auto n = static_cast<std::ptrdiff_t>(all.size()) / c.batch;
      return std::vector<float>(all.begin() + image * n, all.begin() + (image + 1) * n);
    };
    const Arrays<float> expected{slice(batch.q),           slice(batch.kv), slice(batch.dy), slice(batch.y),
                                 slice(batch.log_sum_exp), slice(batch.dq), slice(batch.dkv)};
    cases::AttentionTiles one = c;
    one.batch = 1;
    auto alone = inputs<float, D, heads>(one);
    alone.q = expected.q;
    alone.kv = expected.kv;
    alone.dy = expected.dy;
    run<Tested, D, heads>(one, alone);
    CHECK(same_bits(alone, expected));
  }
}

TEST_CASE("attention gives a query the same bits whatever queries stand around it") {
  const cases::AttentionTiles c{1, 40, 150, 1.0F, 0.0, 0.0};
  constexpr Index D = 24;
  auto all = inputs<float, D, 1>(c);
  Tested::attention(shape<D, 1>, 1, c.q_rows, c.kv_rows, all.q, all.kv, all.y, {});
  for (Index row = 0; row < c.q_rows; ++row) {
    std::vector<float> y = poisoned<float>(D);
    Tested::attention(shape<D, 1>, 1, 1, c.kv_rows, View<const float>(all.q).subspan(row * D, D), all.kv, y, {});
    CHECK(same_bits(y.data(), all.y.data() + row * D, D));
  }
}

TEST_CASE("attention gives the same bits with one, two and three threads") {
  const cases::AttentionTiles c{2, 70, 200, 1.0F, 0.0, 0.0};
  auto serial = inputs<float, 40, 2>(c);
  set_thread_count(1);
  run<Tested, 40, 2>(c, serial);
  for (const int threads : {2, 3}) {
    auto parallel = inputs<float, 40, 2>(c);
    set_thread_count(threads);
    run<Tested, 40, 2>(c, parallel);
    CHECK(same_bits(parallel, serial));
  }
  set_thread_count(0);
  if constexpr (testing::runs_in_pool) {
    auto pool = inputs<float, 40, 2>(c);
    set_parallel_for(three_threads, 3);
    run<Tested, 40, 2>(c, pool);
    set_parallel_for(nullptr);
    CHECK(same_bits(pool, serial));
  }
}

TEST_CASE("attention ignores a constant added to every score") {
  // softmax(s + c) = softmax(s): a key shifted along the query's direction leaves y where it was, even at scores of 1e4
  constexpr Index n = 70;
  std::vector<float> q(1, 100.0F);
  std::vector<float> kv(2 * n);
  std::vector<float> y = poisoned<float>(1);
  for (Index key = 0; key < n; ++key) {
    kv[2 * key] = 100.0F;
    kv[2 * key + 1] = static_cast<float>(key);
  }
  Tested::attention(shape<1, 1>, 1, 1, n, q, kv, y, {});
  CHECK(y[0] == doctest::Approx((n - 1) / 2.0).epsilon(1e-6));
}

// Layer norm's kernels: float with the tolerances of tests/backend/operations, bfloat16 with the same ones beside what
// storing adds.
#include <tessera/backend/reference/layer_norm.hpp>
#include <tessera/backend/thrust/kernels/layer_norm.hpp>

#include <cases/layer_norm.hpp>
#include <emulated/formats.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::LayerNormOps<double>;
template <class S>
using Kernels = thrust_detail::KernelLayerNormOps<KernelSystem<S>>;

/// Of the last `rows` of `all`, whose values S stores.
template <class Ops, class S, class T, Index D>
NormResult<T> run(Shape<D> size, Index rows, Index all) {
  const auto last = [&](std::uint32_t seed) {
    auto values = rounded_values<S, T>(all * D, seed);
    values.erase(values.begin(), values.end() - rows * D);
    return values;
  };
  const auto x = last(1), dy = last(4);
  const auto weight = rounded_values<S, T>(D, 2), bias = rounded_values<S, T>(D, 3);
  NormResult<T> result{unwritten<T>(rows * D),           last(5),
                       unwritten<Wide<T>>(rows),         unwritten<Wide<T>>(rows),
                       as<Wide<T>>(random_values(D, 6)), as<Wide<T>>(random_values(D, 7))};
  Ops::layer_norm(size, rows, x, weight, bias, result.y, result.mean, result.rstd);
  Ops::layer_norm_backward(size, rows, x, weight, result.mean, result.rstd, dy, result.dx, result.dweight,
                           result.dbias);
  return result;
}

template <class S, Index D>
void check(Shape<D> size, Index rows) {
  CAPTURE(D);
  CAPTURE(rows);
  CAPTURE(sizeof(S));
  const auto expected = run<Reference, S, double>(size, rows, rows);
  const auto found = run<Kernels<S>, S, S>(size, rows, rows);
  CHECK(error(found.y, expected.y) < 1e-5);
  CHECK(error(found.mean, expected.mean) < 1e-6);
  CHECK(error(found.rstd, expected.rstd) < 1e-5);
  // The slope of a row of two values is nearly zero: rounding, divided by their small deviation, is what is left.
  CHECK(error(found.dx, expected.dx) < (D == 2 ? 5e-5 : 1e-5));
  CHECK(error(found.dweight, expected.dweight) < 1e-5);
  CHECK(error(found.dbias, expected.dbias) < 1e-6);
  both_schedules([&] { CHECK(found == run<Kernels<S>, S, S>(size, rows, rows)); });
}

template <Index D>
void check_formats(Shape<D> size, Index rows) {
  check<float>(size, rows);
  check<bfloat16>(size, rows);
}

}  // namespace

TEST_CASE("emulated GPU: layer norm agrees with the reference") {
  cases::layer_norm([](auto size, Index rows) { check_formats(size, rows); });
  check_formats(shape<192>, 170);  // several blocks of rows
  check_formats(shape<768>, 5);    // a whole number of packs for every lane
  check_formats(shape<1030>, 2);   // two warps a row, value by value
  check_formats(shape<2056>, 3);   // three warps a row, the last with a few packs
}

TEST_CASE("emulated GPU: layer norm without statistics gives the same rows, and far from zero") {
  const auto rows = [](float shift) {
    auto x = random_values(4 * 60, 1);
    for (float& value : x) value += shift;
    return x;
  };
  const std::vector<float> weight(60, 1.0F), bias(60, 0.0F);
  auto y = poisoned<float>(4 * 60), untouched = poisoned<float>(4);
  const View<float> empty = View<float>(untouched).first(0);  // which points somewhere all the same
  for (const float shift : {0.0F, 1000.0F, -3000.0F}) {
    CAPTURE(shift);
    auto expected = poisoned<double>(4 * 60);
    Kernels<float>::layer_norm(shape<60>, 4, rows(shift), weight, bias, y, empty, empty);
    Reference::layer_norm(shape<60>, 4, as<double>(rows(shift)), as<double>(weight), as<double>(bias), expected, {},
                          {});
    CHECK(error(y, expected) < 1e-5);
  }
  CHECK(same_bits(untouched, poisoned<float>(4)));
}

TEST_CASE("emulated GPU: layer norm of a row has the same bits in any batch") {
  const auto check_alone = []<class S>(S) {
    const auto alone = run<Kernels<S>, S, S>(shape<100>, 2, 7);
    auto both = run<Kernels<S>, S, S>(shape<100>, 7, 7);
    both.y.erase(both.y.begin(), both.y.end() - 200);
    both.dx.erase(both.dx.begin(), both.dx.end() - 200);
    CHECK(same_bytes(alone.y, both.y));
    CHECK(same_bytes(alone.dx, both.dx));
  };
  check_alone(float{});
  check_alone(bfloat16{});
}

TEST_CASE("emulated GPU: layer norm of no rows leaves the gradients alone") {
  const auto none = run<Kernels<float>, float, float>(shape<36>, 0, 0);
  CHECK(same_bits(none.dweight, random_values(36, 6)));
  CHECK(same_bits(none.dbias, random_values(36, 7)));
}

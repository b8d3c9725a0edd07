// Group norm's kernels: float with the tolerances of tests/backend/operations, bfloat16 with the same ones beside what
// storing adds.
#include <tessera/backend/reference/group_norm.hpp>
#include <tessera/backend/thrust/kernels/group_norm.hpp>

#include <cases/group_norm.hpp>
#include <emulated/formats.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::GroupNormOps<double>;
template <class S>
using Kernels = thrust_detail::KernelGroupNormOps<KernelSystem<S>>;

/// Of the last `batch` of `all` images, whose values S stores.
template <class Ops, class S, class T, Index C, Index G>
NormResult<T> run(Shape<C, G> size, Index batch, Index pixels, Index all) {
  const Index values = batch * pixels * C;
  const auto last = [&](std::uint32_t seed) {
    auto images = rounded_values<S, T>(all * pixels * C, seed);
    images.erase(images.begin(), images.end() - values);
    return images;
  };
  const auto x = last(1), dy = last(4);
  const auto weight = rounded_values<S, T>(C, 2), bias = rounded_values<S, T>(C, 3);
  NormResult<T> result{unwritten<T>(values),
                       last(5),
                       unwritten<Wide<T>>(batch * G),
                       unwritten<Wide<T>>(batch * G),
                       as<Wide<T>>(random_values(C, 6)),
                       as<Wide<T>>(random_values(C, 7))};
  Ops::group_norm_silu(size, batch, pixels, x, weight, bias, result.y, result.mean, result.rstd);
  Ops::group_norm_silu_backward(size, batch, pixels, x, weight, bias, result.mean, result.rstd, dy, result.dx,
                                result.dweight, result.dbias);
  return result;
}

template <class S, Index C, Index G>
void check(Shape<C, G> size, Index batch, Index pixels) {
  CAPTURE(C);
  CAPTURE(G);
  CAPTURE(pixels);
  CAPTURE(sizeof(S));
  const auto expected = run<Reference, S, double>(size, batch, pixels, batch);
  const auto found = run<Kernels<S>, S, S>(size, batch, pixels, batch);
  CHECK(error(found.y, expected.y) < 1e-5);
  CHECK(error(found.mean, expected.mean) < 1e-6);
  CHECK(error(found.rstd, expected.rstd) < 1e-5);
  CHECK(error(found.dx, expected.dx) < 1e-5);
  CHECK(error(found.dweight, expected.dweight) < 1e-5);
  CHECK(error(found.dbias, expected.dbias) < 1e-5);
  both_schedules([&] { CHECK(found == run<Kernels<S>, S, S>(size, batch, pixels, batch)); });
}

template <Index C, Index G>
void check_formats(Shape<C, G> size, Index batch, Index pixels) {
  check<float>(size, batch, pixels);
  check<bfloat16>(size, batch, pixels);
}

}  // namespace

TEST_CASE("emulated GPU: group norm agrees with the reference") {
  cases::group_norm([](auto size, Index batch, Index pixels) { check_formats(size, batch, pixels); });
  check_formats(shape<128, 32>, 2, 530);  // packs of one group in float, of two in bfloat16; three blocks an image
  check_formats(shape<24, 4>, 1, 100);    // packs of neighbours from two groups
  check_formats(shape<512, 32>, 1, 20);   // two blocks or more beside one another
  check_formats(shape<6, 3>, 1, 5000);    // value by value, blocks of 672 pixels
}

TEST_CASE("emulated GPU: group norm in place and without statistics gives the same values") {
  const auto check_in_place = []<class S>(S) {
    auto y = as<S>(random_values(2 * 70 * 48, 1));
    Kernels<S>::group_norm_silu(shape<48, 4>, 2, 70, y, as<S>(random_values(48, 2)), as<S>(random_values(48, 3)), y, {},
                                {});
    CHECK(same_bytes(y, run<Kernels<S>, S, S>(shape<48, 4>, 2, 70, 2).y));
  };
  check_in_place(float{});
  check_in_place(bfloat16{});
}

TEST_CASE("emulated GPU: group norm of maps far from zero, and of one with a first pixel far from the others") {
  const std::vector<float> weight(12, 1.0F), bias(12, 0.0F);
  const auto check_map = [&](const std::vector<float>& x) {
    auto y = poisoned<float>(500 * 12);
    auto expected = poisoned<double>(500 * 12);
    Kernels<float>::group_norm_silu(shape<12, 3>, 1, 500, x, weight, bias, y, {}, {});
    Reference::group_norm_silu(shape<12, 3>, 1, 500, as<double>(x), as<double>(weight), as<double>(bias), expected, {},
                               {});
    CHECK(error(y, expected) < 2e-5);
  };
  auto x = random_values(500 * 12, 1);
  std::fill_n(x.begin(), 12, -1e4F);
  check_map(x);
  x = random_values(500 * 12, 1);
  for (float& value : x) value += 1000.0F;
  check_map(x);
}

TEST_CASE("emulated GPU: group norm of an image has the same bits in any batch") {
  const auto check_alone = []<class S>(S) {
    const auto alone = run<Kernels<S>, S, S>(shape<48, 8>, 1, 300, 3);
    auto both = run<Kernels<S>, S, S>(shape<48, 8>, 3, 300, 3);
    both.y.erase(both.y.begin(), both.y.end() - 300 * 48);
    both.dx.erase(both.dx.begin(), both.dx.end() - 300 * 48);
    CHECK(same_bytes(alone.y, both.y));
    CHECK(same_bytes(alone.dx, both.dx));
  };
  check_alone(float{});
  check_alone(bfloat16{});
}

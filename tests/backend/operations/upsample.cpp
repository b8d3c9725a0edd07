#include <tessera/backend/reference/upsample.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/upsample.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("upsampling agrees with the reference") {
  cases::upsample([]<Index H, Index W, Index C>(Shape<H, W, C> sizes, Index batch) {
    const Index size = batch * H * W * C;
    const auto x = random_values(size, 1);
    const auto dy = random_values(4 * size, 2);
    auto y = poisoned<float>(4 * size);
    auto y_expected = poisoned<double>(4 * size);
    auto dx = poisoned<float>(size);
    auto dx_expected = poisoned<double>(size);
    Tested::upsample2(sizes, batch, x, y);
    Tested::upsample2_backward(sizes, batch, dy, dx);
    reference_detail::UpsampleOps<double>::upsample2(sizes, batch, as<double>(x), y_expected);
    reference_detail::UpsampleOps<double>::upsample2_backward(sizes, batch, as<double>(dy), dx_expected);
    CHECK(distance(y, y_expected) == 0.0);
    CHECK(distance(dx, dx_expected) < 1e-6);
  });
}

TEST_CASE("upsampling has the same bits for every number of threads") {
  check_threads([] {
    auto dx = poisoned<float>(40 * 30 * 20);
    Tested::upsample2_backward(shape<40, 30, 20>, 1, random_values(4 * 40 * 30 * 20, 2), dx);
    return dx;
  });
}

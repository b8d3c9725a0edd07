// Softmax's kernels: float with the tolerances of tests/backend/operations, bfloat16 with the same ones beside what
// storing adds.
#include <tessera/backend/reference/activations.hpp>
#include <tessera/backend/thrust/kernels/activations.hpp>

#include <cases/activations.hpp>
#include <emulated/formats.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::ActivationsOps<double>;
template <class S>
using Kernels = thrust_detail::KernelActivationsOps<KernelSystem<S>>;

/// Rows of very different magnitude: the largest value must not overflow.
template <class S>
std::vector<S> logits(Index rows, Index D) {
  auto x = random_values(rows * D, 1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= i / static_cast<std::size_t>(D) % 2 == 1 ? 100.0F : 1.0F;
  return as<S>(x);
}

template <class S, Index D>
void check(Shape<D> size, Index rows) {
  CAPTURE(D);
  CAPTURE(sizeof(S));
  const auto x = logits<S>(rows, D);
  const auto dy = as<S>(random_values(rows * D, 2));
  auto expected = poisoned<double>(rows * D), expected_dx = expected;
  Reference::softmax(size, rows, converted<double>(x), expected);
  both_schedules([&] {
    auto y = unwritten<S>(rows * D), dx = y;
    Kernels<S>::softmax(size, rows, x, y);
    CHECK(error(y, expected) < 1e-6);
    Kernels<S>::softmax_backward(size, rows, y, dy, dx);
    Reference::softmax_backward(size, rows, converted<double>(y), converted<double>(dy), expected_dx);
    // The only value of a row of one has no slope.
    CHECK(error(dx, expected_dx) < (D == 1 ? 1e-30 : 1e-6));

    auto in_place = x, slope = dy;
    Kernels<S>::softmax(size, rows, in_place, in_place);
    CHECK(same_bytes(in_place, y));
    Kernels<S>::softmax_backward(size, rows, y, slope, slope);
    CHECK(same_bytes(slope, dx));
  });
}

template <Index D>
void check_formats(Shape<D> size, Index rows) {
  check<float>(size, rows);
  check<bfloat16>(size, rows);
}

}  // namespace

TEST_CASE("emulated GPU: softmax agrees with the reference, and in place") {
  cases::softmax([](auto size, Index rows) { check_formats(size, rows); });
  check_formats(shape<1024>, 5);  // two blocks of a warp a row
  check_formats(shape<1030>, 2);  // two warps a row
}

TEST_CASE("emulated GPU: softmax of a row has the same bits in any batch") {
  const auto check_alone = []<class S>(S) {
    const auto x = logits<S>(6, 100);
    const auto dy = as<S>(random_values(600, 2));
    auto y = unwritten<S>(600), dx = y;
    Kernels<S>::softmax(shape<100>, 6, x, y);
    Kernels<S>::softmax_backward(shape<100>, 6, y, dy, dx);
    const auto last = [](const std::vector<S>& values) { return std::vector<S>(values.end() - 100, values.end()); };
    auto alone = unwritten<S>(100), slope = alone;
    Kernels<S>::softmax(shape<100>, 1, last(x), alone);
    Kernels<S>::softmax_backward(shape<100>, 1, last(y), last(dy), slope);
    CHECK(same_bytes(alone, last(y)));
    CHECK(same_bytes(slope, last(dx)));
  };
  check_alone(float{});
  check_alone(bfloat16{});
}

TEST_CASE("emulated GPU: softmax of no rows") {
  std::vector<float> none;
  Kernels<float>::softmax(shape<100>, 0, none, none);
  Kernels<float>::softmax_backward(shape<100>, 0, none, none, none);
}

#include <tessera/backend/reference/convolution.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/convolution.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::ConvolutionOps<double>;

template <class T>
struct Result {
  std::vector<T> y, dx, dweight, dbias;
  bool operator==(const Result&) const = default;
};

/// The packed weights, from poisoned memory.
template <class Ops, class T, Index In, Index Out>
std::vector<T> packed(Shape<In, Out> size, const std::vector<T>& weight, bool transposed) {
  auto values = poisoned<T>(Ops::packed_convolution_size(size));
  transposed ? Ops::pack_convolution_transposed(size, weight, values) : Ops::pack_convolution(size, weight, values);
  return values;
}

/// All three products of maps x [batch, H, W, In] and dy [batch, H, W, Out], gradients added to `start`'s.
template <class Ops, class T, Index H, Index W, Index In, Index Out>
Result<T> run(Shape<H, W, In, Out> size, Index batch, const std::vector<T>& x, const std::vector<T>& dy,
              const Result<T>& start) {
  const auto weight = as<T>(random_values(Out * In * 9, 2));
  const auto bias = as<T>(random_values(Out, 3));
  Result<T> result{poisoned<T>(batch * H * W * Out), poisoned<T>(batch * H * W * In), start.dweight, start.dbias};
  auto scratch = poisoned<T>(Ops::convolution_backward_scratch(size, batch));
  Ops::convolution(size, batch, x, packed<Ops>(shape<In, Out>, weight, false), bias, {}, result.y);
  Ops::convolution_backward_input(size, batch, dy, packed<Ops>(shape<In, Out>, weight, true), result.dx);
  Ops::convolution_backward_weight(size, batch, x, dy, scratch, result.dweight, result.dbias);
  return result;
}

template <class Ops, class T, Index H, Index W, Index In, Index Out>
Result<T> run(Shape<H, W, In, Out> size, Index batch) {
  return run<Ops, T>(size, batch, as<T>(random_values(batch * H * W * In, 1)),
                     as<T>(random_values(batch * H * W * Out, 4)),
                     Result<T>{{}, {}, as<T>(random_values(Out * In * 9, 5)), as<T>(random_values(Out, 6))});
}

template <class F>
void for_each_case(F&& f) {
  const auto named = [&]<Index H, Index W, Index In, Index Out>(Shape<H, W, In, Out> size, Index batch) {
    CAPTURE(H);
    CAPTURE(W);
    CAPTURE(In);
    CAPTURE(Out);
    f(size, batch);
  };
  cases::convolution(named);
  cases::convolution_long(named);
}

std::vector<float> part(const std::vector<float>& values, Index i, Index parts) {
  const Index size = static_cast<Index>(values.size()) / parts;
  return {values.begin() + i * size, values.begin() + (i + 1) * size};
}

}  // namespace

TEST_CASE("convolution agrees with the reference") {
  for_each_case([](auto size, Index batch) {
    const auto found = run<Tested, float>(size, batch);
    const auto expected = run<Reference, double>(size, batch);
    CHECK(distance(found.y, expected.y) < 3e-6);
    CHECK(distance(found.dx, expected.dx) < 3e-6);
    CHECK(distance(found.dweight, expected.dweight) < 3e-6);
    CHECK(distance(found.dbias, expected.dbias) < 3e-6);
  });
}

TEST_CASE("convolution with and without bias and residual, which may be y") {
  for_each_case([]<Index H, Index W, Index In, Index Out>(Shape<H, W, In, Out> size, Index batch) {
    const auto x = random_values(batch * H * W * In, 1);
    const auto weight = random_values(Out * In * 9, 2);
    const auto bias = random_values(Out, 3);
    const auto residual = random_values(batch * H * W * Out, 4);
    const auto weights = packed<Tested>(shape<In, Out>, weight, false);
    for (const bool with_bias : {false, true}) {
      for (const int with_residual : {0, 1, 2}) {
        CAPTURE(with_bias);
        CAPTURE(with_residual);
        auto y = with_residual == 2 ? residual : poisoned<float>(batch * H * W * Out);
        auto expected = poisoned<double>(batch * H * W * Out);
        const auto some = [](bool wanted, const auto& values) {
          return wanted ? values : std::remove_cvref_t<decltype(values)>{};
        };
        const auto given_bias = some(with_bias, bias);
        const auto given_residual = some(with_residual == 1, residual);
        Tested::convolution(size, batch, x, weights, given_bias,
                            with_residual == 2 ? View<const float>(y) : View<const float>(given_residual), y);
        Reference::convolution(size, batch, as<double>(x), as<double>(weight), as<double>(given_bias),
                               as<double>(some(with_residual > 0, residual)), expected);
        CHECK(distance(y, expected) < 3e-6);
      }
    }
  });
}

TEST_CASE("convolution's weight gradient without a bias") {
  const auto size = shape<4, 13, 7, 20>;
  const auto x = random_values(4 * 13 * 7, 1);
  const auto dy = random_values(4 * 13 * 20, 4);
  auto scratch = poisoned<float>(Tested::convolution_backward_scratch(size, 1));
  auto dweight = random_values(20 * 7 * 9, 5);
  Tested::convolution_backward_weight(size, 1, x, dy, scratch, dweight, {});
  CHECK(same_bits(dweight, run<Tested, float>(size, 1).dweight));
}

TEST_CASE("convolution has the same bits for every number of threads") {
  for_each_case([](auto size, Index batch) {
    check_threads([=] { return run<Tested, float>(size, batch).y; });
    check_threads([=] { return run<Tested, float>(size, batch).dx; });
    check_threads([=] { return run<Tested, float>(size, batch).dweight; });
    check_threads([=] { return run<Tested, float>(size, batch).dbias; });
  });
}

TEST_CASE("convolution: an image has the same bits alone and in a batch, and gradients add up image by image") {
  for_each_case([]<Index H, Index W, Index In, Index Out>(Shape<H, W, In, Out> size, Index) {
    constexpr Index batch = 3;
    const auto x = random_values(batch * H * W * In, 1);
    const auto dy = random_values(batch * H * W * Out, 4);
    Result<float> sums{{}, {}, random_values(Out * In * 9, 5), random_values(Out, 6)};
    const auto whole = run<Tested, float>(size, batch, x, dy, sums);
    for (Index b = 0; b < batch; ++b) {
      sums = run<Tested, float>(size, 1, part(x, b, batch), part(dy, b, batch), sums);
      if constexpr (rows_stand_alone) {
        CHECK(same_bits(sums.y, part(whole.y, b, batch)));
        CHECK(same_bits(sums.dx, part(whole.dx, b, batch)));
      }
    }
    if constexpr (adds_in_order) {
      CHECK(same_bits(sums.dweight, whole.dweight));
      CHECK(same_bits(sums.dbias, whole.dbias));
    }
  });
}

// The nearest code's kernels: against the reference on what the format stores, and in float against the processor's
// bits.
#include <tessera/backend/cpu/nearest_code.hpp>
#include <tessera/backend/reference/nearest_code.hpp>
#include <tessera/backend/thrust/kernels/nearest_code.hpp>

#include <cases/nearest_code.hpp>
#include <emulated/formats.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

template <class S>
using Kernels = thrust_detail::KernelNearestCodeOps<KernelSystem<S>>;
using Reference = reference_detail::NearestCodeOps<double>;

struct Result {
  std::vector<Token> ids;
  std::vector<double> margins;
};

constexpr Index any_splits = 0;  // as many as the kernels choose

template <class S, Index K, Index C>
Result find(Shape<K, C> size, Index rows, const std::vector<float>& z, const std::vector<float>& codes,
            Index splits = any_splits) {
  using Ops = Kernels<S>;
  const auto z_there = as<S>(z);
  auto packed = as<S>(poisoned<float>(Ops::packed_codes_size(size)));
  Ops::pack_codes(size, as<S>(codes), packed);
  std::vector<Token> ids(static_cast<std::size_t>(rows), -1);
  auto margins = poisoned<float>(rows);
  if (splits == any_splits) {
    Ops::nearest_code(size, rows, z_there, packed, ids, margins);
  } else {
    Ops::nearest_code_in(size, splits, rows, z_there, packed, ids, margins);
  }
  return {ids, as<double>(margins)};
}
template <Index K, Index C>
Result find_expected(Shape<K, C> size, Index rows, const std::vector<float>& z, const std::vector<float>& codes) {
  Result result{std::vector<Token>(static_cast<std::size_t>(rows), -1), poisoned<double>(rows)};
  Reference::nearest_code(size, rows, as<double>(z), as<double>(codes), result.ids, result.margins);
  return result;
}

template <class S, Index K, Index C>
void check(Shape<K, C> size, Index rows) {
  CAPTURE(K);
  CAPTURE(C);
  CAPTURE(rows);
  const auto z = rounded_values<S, float>(rows * C, 1);
  const auto codes = rounded_values<S, float>(K * C, 2);
  const auto expected = find_expected(size, rows, z, codes);
  const double rounding = 4e-6 * C;
  both_schedules([&] {
    const auto found = find<S>(size, rows, z, codes);
    for (std::size_t r = 0; r < found.ids.size(); ++r) {
      if (expected.margins[r] > rounding) CHECK(found.ids[r] == expected.ids[r]);
      if (K == 1) {
        CHECK(found.margins[r] == std::numeric_limits<double>::infinity());
      } else {
        CHECK(std::abs(found.margins[r] - expected.margins[r]) <= rounding);
      }
    }
  });
}

/// Codes and queries of small whole numbers, where nothing is rounded and ties are many.
template <class S, Index K, Index C>
void check_ties(Shape<K, C> size, Index rows, std::uint32_t seed) {
  CAPTURE(K);
  CAPTURE(C);
  const auto z = small_whole_values(rows * C, seed);
  const auto codes = small_whole_values(K * C, seed + 1);
  const auto expected = find_expected(size, rows, z, codes);
  both_schedules([&] {
    const auto found = find<S>(size, rows, z, codes);
    CHECK(found.ids == expected.ids);
    CHECK(found.margins == expected.margins);
  });
}

/// However many blocks share a row's codes.
template <class S, Index K, Index C>
void check_splits(Shape<K, C> size, Index rows) {
  CAPTURE(K);
  CAPTURE(C);
  const auto z = rounded_values<S, float>(rows * C, 1);
  const auto codes = rounded_values<S, float>(K * C, 2);
  const auto whole = find<S>(size, rows, z, codes, 1);
  for (const Index splits : {any_splits, Index{2}, Index{3}}) {
    const auto found = find<S>(size, rows, z, codes, splits);
    CHECK(found.ids == whole.ids);
    CHECK(found.margins == whole.margins);
  }
}

template <class S, Index K, Index C>
void check_alone(Shape<K, C> size, Index rows) {
  const auto z = rounded_values<S, float>(rows * C, 1);
  const auto codes = rounded_values<S, float>(K * C, 2);
  const auto all = find<S>(size, rows, z, codes);
  auto packed = as<S>(poisoned<float>(Kernels<S>::packed_codes_size(size)));
  Kernels<S>::pack_codes(size, as<S>(codes), packed);
  const auto z_there = as<S>(z);
  std::vector<Token> ids(static_cast<std::size_t>(rows), -1);
  Kernels<S>::nearest_code(size, rows, z_there, packed, ids, {});
  CHECK(ids == all.ids);
  for (Index r = 0; r < rows; r += 7) {
    std::vector<float> margin{-1.0F};
    std::vector<Token> id{-1};
    Kernels<S>::nearest_code(size, 1, std::span(z_there).subspan(static_cast<std::size_t>(r * C), C), packed, id,
                             margin);
    CHECK(id[0] == all.ids[static_cast<std::size_t>(r)]);
    CHECK(static_cast<double>(margin[0]) == all.margins[static_cast<std::size_t>(r)]);
  }
}

template <class S>
void check_no_nearest() {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> z{nan, 0.0F, infinity, 0.0F, 1e30F, -1e30F, -infinity, infinity};
  const auto check_ids = [&]<Index K>(Shape<K, 2> size) {
    for (const Token id : find<S>(size, 4, z, rounded_values<S, float>(2 * K, 1)).ids) CHECK((id >= 0 && id < K));
  };
  check_ids(shape<600, 2>);
  check_ids(shape<5, 2>);
  check_ids(shape<1, 2>);
}

/// More rows than a block has, widths of one chunk, of several, and with a rest.
template <class S>
void check_all() {
  cases::nearest_code([](auto size, Index rows) { check<S>(size, rows); });
  check<S>(shape<4096, 12>, 100);
  check<S>(shape<513, 64>, 61);
  check<S>(shape<300, 16>, 261);
  check<S>(shape<200, 33>, 129);
  check<S>(shape<100, 65>, 20);
  check<S>(shape<150, 129>, 30);
  check<S>(shape<130, 200>, 257);
}
template <class S>
void check_all_ties() {
  check_ties<S>(shape<2, 1>, 9, 1);
  check_ties<S>(shape<37, 2>, 40, 2);
  check_ties<S>(shape<300, 3>, 100, 3);
  check_ties<S>(shape<1000, 4>, 200, 4);
  check_ties<S>(shape<700, 6>, 200, 5);
  check_ties<S>(shape<600, 70>, 40, 6);
}

}  // namespace

TEST_CASE("emulated GPU: nearest code in float agrees with the reference") {
  check_all<float>();
}
TEST_CASE("emulated GPU: nearest code in bfloat16 agrees with the reference on the rounded values") {
  check_all<bfloat16>();
}

TEST_CASE("emulated GPU: nearest code takes the lowest id on a tie and then gives margin zero") {
  check_all_ties<float>();
  check_all_ties<bfloat16>();
}

TEST_CASE("emulated GPU: nearest code gives the same bits however many blocks share the codes") {
  check_splits<float>(shape<700, 12>, 150);
  check_splits<float>(shape<400, 70>, 40);
  check_splits<bfloat16>(shape<700, 12>, 150);
  check_splits<bfloat16>(shape<400, 70>, 40);
}

TEST_CASE("emulated GPU: nearest code gives the same bits for a row in any batch, with and without margins") {
  check_alone<float>(shape<300, 13>, 200);
  check_alone<bfloat16>(shape<300, 13>, 200);
}

TEST_CASE("emulated GPU: nearest code of a row without a nearest one is still an id") {
  check_no_nearest<float>();
  check_no_nearest<bfloat16>();
}

TEST_CASE("emulated GPU: nearest code in float has the processor's bits") {
  const auto check_same = []<Index K, Index C>(Shape<K, C> size, Index rows) {
    const auto z = random_values(rows * C, 1);
    const auto codes = random_values(K * C, 2);
    const auto found = find<float>(size, rows, z, codes);
    using Cpu = cpu_detail::NearestCodeOps<xsimd::default_arch>;
    std::vector<float> packed(static_cast<std::size_t>(Cpu::packed_codes_size(size)));
    Cpu::pack_codes(size, codes, packed);
    Result expected{std::vector<Token>(static_cast<std::size_t>(rows)), {}};
    std::vector<float> margins(static_cast<std::size_t>(rows));
    Cpu::nearest_code(size, rows, z, packed, expected.ids, margins);
    CHECK(found.ids == expected.ids);
    CHECK(found.margins == as<double>(margins));
  };
  check_same(shape<1000, 12>, 300);
  check_same(shape<100, 100>, 60);
}

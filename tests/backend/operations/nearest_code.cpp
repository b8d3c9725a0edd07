#include <tessera/backend/reference/nearest_code.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/nearest_code.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::NearestCodeOps<double>;

template <class T>
struct Result {
  std::vector<Token> ids;
  std::vector<T> margins;
};

template <class Ops, class T, Index K, Index C>
Result<T> run(Shape<K, C> size, Index rows, const std::vector<float>& z, const std::vector<float>& codes) {
  auto packed = poisoned<T>(Ops::packed_codes_size(size));
  Ops::pack_codes(size, as<T>(codes), packed);
  Result<T> result{std::vector<Token>(static_cast<std::size_t>(rows), -1), poisoned<T>(rows)};
  Ops::nearest_code(size, rows, as<T>(z), packed, result.ids, result.margins);
  return result;
}

/// Random codes: float and double agree wherever the margin is more than rounding.
template <Index K, Index C>
void check(Shape<K, C> size, Index rows) {
  CAPTURE(K);
  CAPTURE(C);
  CAPTURE(rows);
  const auto z = random_values(rows * C, 1);
  const auto codes = random_values(K * C, 2);
  const auto found = run<Tested, float>(size, rows, z, codes);
  const auto expected = run<Reference, double>(size, rows, z, codes);
  const double rounding = 4e-6 * C;
  for (std::size_t r = 0; r < found.ids.size(); ++r) {
    if (expected.margins[r] > rounding) CHECK(found.ids[r] == expected.ids[r]);
    if (K == 1) {
      CHECK(found.margins[r] == std::numeric_limits<float>::infinity());
    } else {
      CHECK(std::abs(static_cast<double>(found.margins[r]) - expected.margins[r]) <= rounding);
    }
  }
}

/// Codes and queries of small whole numbers, where nothing is rounded and ties are many.
template <Index K, Index C>
void check_ties(Shape<K, C> size, Index rows, std::uint32_t seed) {
  CAPTURE(K);
  CAPTURE(C);
  const auto z = small_whole_values(rows * C, seed);
  const auto codes = small_whole_values(K * C, seed + 1);
  const auto found = run<Tested, float>(size, rows, z, codes);
  const auto expected = run<Reference, double>(size, rows, z, codes);
  CHECK(found.ids == expected.ids);
  CHECK(as<double>(found.margins) == expected.margins);
}

}  // namespace

TEST_CASE("nearest code agrees with the reference") {
  cases::nearest_code([](auto size, Index rows) { check(size, rows); });
  check(shape<4096, 12>, 100);
  check(shape<513, 64>, 61);
}

TEST_CASE("nearest code takes the lowest id on a tie and then gives margin zero") {
  check_ties(shape<2, 1>, 9, 1);
  check_ties(shape<37, 2>, 40, 2);
  check_ties(shape<300, 3>, 100, 3);
  check_ties(shape<1000, 4>, 200, 4);
  check_ties(shape<700, 6>, 200, 5);
}

TEST_CASE("nearest code gives the same ids whether margins are asked for or not, for a row in any batch") {
  const auto z = random_values(70 * 12, 1);
  const auto codes = random_values(300 * 12, 2);
  const auto all = run<Tested, float>(shape<300, 12>, 70, z, codes);
  auto packed = poisoned<float>(Tested::packed_codes_size(shape<300, 12>));
  Tested::pack_codes(shape<300, 12>, codes, packed);
  std::vector<Token> ids(70, -1);
  Tested::nearest_code(shape<300, 12>, 70, z, packed, ids, {});
  CHECK(ids == all.ids);
  for (Index r = 0; r < 70; ++r) {
    std::vector<float> margin{-1.0F};
    std::vector<Token> id{-1};
    Tested::nearest_code(shape<300, 12>, 1, std::span(z).subspan(r * 12, 12), packed, id, margin);
    CHECK(id[0] == all.ids[static_cast<std::size_t>(r)]);
    CHECK(margin[0] == all.margins[static_cast<std::size_t>(r)]);
  }
}

TEST_CASE("nearest code of a row without a nearest one is still an id") {
  const std::vector<float> z{
      std::numeric_limits<float>::quiet_NaN(), 0.0F, std::numeric_limits<float>::infinity(), 0.0F, 1e30F, -1e30F};
  const auto found = run<Tested, float>(shape<5, 2>, 3, z, random_values(10, 1));
  for (Token id : found.ids) CHECK((id >= 0 && id < 5));
}

TEST_CASE("nearest code has the same bits for every number of threads") {
  const auto z = random_values(500 * 12, 1);
  const auto codes = random_values(700 * 12, 2);
  check_threads([&] { return run<Tested, float>(shape<700, 12>, 500, z, codes).margins; });
  check_threads([&] {
    const auto ids = run<Tested, float>(shape<700, 12>, 500, z, codes).ids;
    return std::vector<float>(ids.begin(), ids.end());
  });
}

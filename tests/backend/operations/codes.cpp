#include <tessera/backend/reference/codes.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/codes.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::CodesOps<double>;

template <class T>
struct Result {
  std::vector<T> zq, dcodes, y, norm, dx;
};

template <class Ops, class T, Index K, Index C>
Result<T> run(Shape<K, C>, Index rows) {
  const auto codes = as<T>(random_values(K * C, 1));
  auto x = as<T>(random_values(rows * C, 2));
  std::fill_n(x.begin(), C, T{});  // a row without a direction
  const auto dy = as<T>(random_values(rows * C, 3));
  std::vector<Token> ids(static_cast<std::size_t>(rows));
  for (Index r = 0; r < rows; ++r) ids[static_cast<std::size_t>(r)] = static_cast<Token>(r * 7 % K);
  Result<T> result{poisoned<T>(rows * C), as<T>(random_values(K * C, 4)), poisoned<T>(rows * C), poisoned<T>(rows),
                   std::vector<T>(static_cast<std::size_t>(rows * C), T(1))};
  Ops::gather_codes(shape<C>, rows, codes, ids, result.zq);
  Ops::gather_codes_backward(shape<C>, rows, dy, ids, result.dcodes);
  Ops::normalize_rows(shape<C>, rows, x, result.y, result.norm);
  Ops::normalize_rows_backward(shape<C>, rows, result.y, result.norm, dy, result.dx);
  return result;
}

template <class Size>
void check(Size size, Index rows) {
  const auto found = run<Tested, float>(size, rows);
  const auto expected = run<Reference, double>(size, rows);
  CHECK(distance(found.zq, expected.zq) == 0.0);
  CHECK(distance(found.dcodes, expected.dcodes) < 2e-6);
  CHECK(distance(found.y, expected.y) < 1e-6);
  CHECK(distance(found.norm, expected.norm) < 1e-6);
  CHECK(distance(found.dx, expected.dx) < 1e-6);  // the first row's, 1e12 times dy, are the largest
  const auto rest = [&](const auto& dx) {
    return std::decay_t<decltype(dx)>(dx.begin() + static_cast<Index>(dx.size()) / rows, dx.end());
  };
  CHECK(distance(rest(found.dx), rest(expected.dx)) < 1e-5);
}

}  // namespace

TEST_CASE("code vectors and unit rows agree with the reference") {
  cases::codes([](auto size, Index rows) { check(size, rows); });
  check(shape<40, 100>, 200);
}

TEST_CASE("code vectors and unit rows have the same bits for every number of threads") {
  check_threads([] { return run<Tested, float>(shape<40, 100>, 200).y; });
  check_threads([] { return run<Tested, float>(shape<40, 100>, 200).dx; });
  check_threads([] { return run<Tested, float>(shape<40, 100>, 200).dcodes; });
}

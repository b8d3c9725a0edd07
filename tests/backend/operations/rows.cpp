#include <tessera/backend/reference/rows.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/rows.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::RowsOps<double>;

constexpr Index spare_rows = 3;  // rows of y that must not change

/// Two copies, an addition, and both kinds of sum, between blocks that start at different rows.
template <class Ops, class T, Index D>
std::vector<T> run(Shape<D> size, Index batch, Index count) {
  const auto x = as<T>(random_values(batch * (count + 1) * D, 1));
  const auto table = as<T>(random_values(count * D, 2));
  auto y = as<T>(random_values((batch * (count + 2) + spare_rows) * D, 3));
  const RowBlock<const T> from{x, count + 1, 1, 1};
  const RowBlock<const T> repeated{table, 0, 0, 0};
  const RowBlock<T> to{y, count + 2, 2, 1};
  Ops::copy_rows(size, batch, count, from, table, to);
  Ops::add_rows(size, batch, count, from, to);
  Ops::copy_rows(size, batch, 1, repeated, {}, RowBlock<T>{y, count + 2, 0, 1});
  auto sums = as<T>(random_values((count + 1) * D, 4));
  Ops::sum_rows(size, batch, count, from, std::span(sums).first(count * D), 1);
  Ops::sum_rows(size, batch, count, from, std::span(sums).last(D), 0);
  y.insert(y.end(), sums.begin(), sums.end());
  return y;
}

template <Index D>
void check(Shape<D> size, Index batch, Index count) {
  CAPTURE(D);
  CAPTURE(batch);
  CAPTURE(count);
  CHECK(distance(run<Tested, float>(size, batch, count), run<Reference, double>(size, batch, count)) < 2e-6);
}

}  // namespace

TEST_CASE("row blocks agree with the reference") {
  cases::rows([](auto size, Index batch, Index count) { check(size, batch, count); });
  check(shape<100>, 7, 33);
}

TEST_CASE("row blocks have the same bits for every number of threads") {
  check_threads([] { return run<Tested, float>(shape<100>, 20, 33); });
}

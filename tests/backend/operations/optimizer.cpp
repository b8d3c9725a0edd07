#include <tessera/backend/reference/optimizer.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/losses.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::OptimizerOps<double>;

/// parameter, first moment, second moment, moving average, and a filled buffer after three steps
template <class Ops, class T>
std::vector<std::vector<T>> run(Index size) {
  std::vector<std::vector<T>> state{as<T>(random_values(size, 1)), std::vector<T>(static_cast<std::size_t>(size)),
                                    std::vector<T>(static_cast<std::size_t>(size)), as<T>(random_values(size, 2)),
                                    poisoned<T>(size)};
  for (std::int64_t step = 1; step <= 3; ++step) {
    const auto gradient = as<T>(random_values(size, static_cast<std::uint32_t>(10 + step)));
    Ops::adamw({1e-2, 0.9, 0.99, 1e-8, 0.1, 0.5, step}, gradient, state[0], state[1], state[2]);
    Ops::moving_average(0.75, state[0], state[3]);
  }
  Ops::fill(T(0.5), state[4]);
  return state;
}

}  // namespace

TEST_CASE("AdamW, moving average and fill agree with the reference") {
  const auto check = [](Index size) {
    const auto found = run<Tested, float>(size);
    const auto expected = run<Reference, double>(size);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(distance(found[i], expected[i]) < 1e-6);
  };
  cases::losses(check);
  check(30'001);
}

TEST_CASE("AdamW has the same bits for every number of threads") {
  check_threads([] { return run<Tested, float>(100'003)[0]; });
}

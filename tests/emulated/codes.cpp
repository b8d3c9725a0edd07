// The gradient of code vectors: an order of additions is part of what its kernel promises, so bits are compared.
#include <tessera/backend/reference/codes.hpp>
#include <tessera/backend/thrust/kernels/codes.hpp>

#include <cases/codes.hpp>
#include <emulated/formats.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

/// id(r) is row r's code. The reference in float adds the same values in the same order: the bits are the same.
template <class S, Index K, Index C, class Id>
void check(Shape<K, C>, Index rows, Id&& id) {
  CAPTURE(K);
  CAPTURE(C);
  CAPTURE(rows);
  std::vector<Token> ids(static_cast<std::size_t>(rows));
  for (Index r = 0; r < rows; ++r) ids[static_cast<std::size_t>(r)] = static_cast<Token>(id(r));
  const auto dzq = as<S>(random_values(rows * C, 1));
  auto expected = random_values(K * C, 2);
  reference_detail::CodesOps<float>::gather_codes_backward(shape<C>, rows, std::vector<float>(dzq.begin(), dzq.end()),
                                                           ids, expected);
  both_schedules([&] {
    auto found = random_values(K * C, 2);
    thrust_detail::KernelCodesOps<KernelSystem<S>>::gather_codes_backward(shape<C>, rows, dzq, ids, found);
    CHECK(same_bits(found, expected));
  });
}

template <class S>
void check_all() {
  const auto spread = []<Index K, Index C>(Shape<K, C> size, Index rows) {
    check<S>(size, rows, [](Index r) { return r * 7 % K; });
  };
  cases::codes(spread);
  spread(shape<40, 100>, 200);
  spread(shape<9, 130>, 65);
  check<S>(shape<9, 5>, 200, [](Index) { return 4; });                     // all rows one code's
  check<S>(shape<9, 5>, 200, [](Index r) { return r % 5 != 0 ? 8 : 0; });  // and nearly all
}

}  // namespace

TEST_CASE("emulated GPU: the gradient of code vectors has the bits of rows added in their order") {
  check_all<float>();
  check_all<bfloat16>();
}

#include <tessera/backend/reference/transpose.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/transpose.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("transposition is the reference's, value for value") {
  cases::transpose([]<Index R, Index C>(Shape<R, C> sizes, Index batch) {
    const auto x = random_values(batch * R * C, 1);
    auto found = poisoned<float>(batch * R * C);
    auto expected = poisoned<float>(batch * R * C);
    Tested::transpose(sizes, batch, x, found);
    reference_detail::TransposeOps<float>::transpose(sizes, batch, x, expected);
    CHECK(same_bits(found, expected));
  });
}

#include <tessera/backend/reference/patches.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/patches.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::PatchesOps<float>;

}  // namespace

TEST_CASE("patches are the reference's, value for value") {
  cases::patches([]<Index C, Index H, Index W, Index P>(Shape<C, H, W, P> sizes, Index batch) {
    const auto x = random_values(batch * C * H * W, 1);
    for (auto [run, expected_run] :
         {std::pair{&Tested::patchify<C, H, W, P>, &Reference::patchify<C, H, W, P>},
          std::pair{&Tested::unpatchify<C, H, W, P>, &Reference::unpatchify<C, H, W, P>},
          std::pair{&Tested::unpatchify_backward<C, H, W, P>, &Reference::unpatchify_backward<C, H, W, P>}}) {
      auto found = poisoned<float>(batch * C * H * W);
      auto expected = poisoned<float>(batch * C * H * W);
      run(sizes, batch, x, found);
      expected_run(sizes, batch, x, expected);
      CHECK(same_bits(found, expected));
    }
  });
}

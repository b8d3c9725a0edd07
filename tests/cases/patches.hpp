// Sizes for patches: one pixel a patch, one patch an image, one channel, eight channels, images that are not square.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<C, H, W, P>, batch)
void patches(auto&& f) {
  f(shape<1, 1, 1, 1>, 1);
  f(shape<3, 4, 6, 1>, 2);
  f(shape<3, 5, 5, 5>, 3);
  f(shape<1, 6, 9, 3>, 1);
  f(shape<3, 8, 24, 8>, 2);
  f(shape<8, 14, 7, 7>, 1);
  f(shape<3, 32, 48, 16>, 2);
}

}  // namespace tessera::cases

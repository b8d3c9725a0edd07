// Sizes for upsampling: one pixel, one row, one column, channels off the vector.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<H, W, C>, batch)
void upsample(auto&& f) {
  f(shape<1, 1, 1>, 2);
  f(shape<1, 5, 3>, 1);
  f(shape<4, 1, 16>, 2);
  f(shape<3, 7, 18>, 3);
}

}  // namespace tessera::cases

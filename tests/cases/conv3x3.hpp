// Sizes for the 3 x 3 convolution: images smaller than the kernel, one row, one column, widths off the vector.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<C, H, W>, batch)
void conv3x3(auto&& f) {
  f(shape<1, 1, 1>, 2);
  f(shape<3, 1, 7>, 1);
  f(shape<2, 9, 1>, 1);
  f(shape<1, 2, 2>, 3);
  f(shape<3, 8, 8>, 2);
  f(shape<3, 6, 17>, 1);
  f(shape<4, 5, 33>, 2);
  f(shape<8, 4, 3>, 1);
}

}  // namespace tessera::cases

// Sizes for y [rows, Out] = x [rows, In] W^T: one value, less than a vector, one off a vector, several tiles and a
// rest.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<In, Out>, rows)
void linear(auto&& f) {
  f(shape<1, 1>, 1);
  f(shape<1, 5>, 3);
  f(shape<7, 1>, 2);
  f(shape<3, 8>, 1);
  f(shape<15, 17>, 7);
  f(shape<16, 31>, 13);
  f(shape<33, 16>, 12);
  f(shape<40, 60>, 25);
}

}  // namespace tessera::cases

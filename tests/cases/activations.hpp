// Sizes for softmax: one value, every remainder of a vector near one of these, several vectors.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<D>, rows)
void softmax(auto&& f) {
  f(shape<1>, 3);
  f(shape<2>, 1);
  f(shape<15>, 2);
  f(shape<16>, 3);
  f(shape<17>, 4);
  f(shape<100>, 2);
}

}  // namespace tessera::cases

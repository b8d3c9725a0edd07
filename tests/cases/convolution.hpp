// Sizes for convolutions of feature maps: maps smaller than the window, one row, one column; rows of less than a tile,
// one, and one more; one channel, and channels off the vector and beyond a panel; windows deeper than a block.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<H, W, In, Out>, batch)
void convolution(auto&& f) {
  f(shape<1, 1, 1, 1>, 2);
  f(shape<1, 1, 5, 3>, 1);
  f(shape<1, 7, 2, 3>, 2);
  f(shape<9, 1, 3, 2>, 1);
  f(shape<2, 2, 1, 17>, 3);
  f(shape<3, 6, 4, 4>, 2);
  f(shape<4, 13, 7, 20>, 1);
}

/// More of them, too long for the gradient tests.
void convolution_long(auto&& f) {
  f(shape<5, 12, 16, 16>, 2);
  f(shape<6, 17, 33, 66>, 2);
  f(shape<7, 19, 66, 33>, 1);
  f(shape<3, 8, 300, 5>, 1);
  f(shape<3, 5, 5, 300>, 2);
  f(shape<70, 9, 3, 8>, 1);
  f(shape<40, 33, 9, 12>, 2);
  f(shape<2, 600, 4, 3>, 1);
}

/// What the benchmark times, one image of each: the maps of the published pixel decoder.
void convolution_benchmark(auto&& f) {
  f(shape<16, 16, 256, 512>);
  f(shape<16, 16, 512, 512>);
  f(shape<32, 32, 512, 512>);
  f(shape<32, 32, 512, 256>);
  f(shape<32, 32, 256, 256>);
  f(shape<64, 64, 256, 256>);
  f(shape<128, 128, 256, 128>);
  f(shape<128, 128, 128, 128>);
  f(shape<256, 256, 128, 128>);
  f(shape<256, 256, 128, 3>);
}

}  // namespace tessera::cases

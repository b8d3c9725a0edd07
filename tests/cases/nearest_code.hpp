// Sizes for the nearest code: one code, one value a code, a rest in every tile.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<K, C>, rows)
void nearest_code(auto&& f) {
  f(shape<1, 1>, 1);
  f(shape<1, 5>, 3);
  f(shape<3, 2>, 13);
  f(shape<15, 12>, 12);
  f(shape<17, 3>, 25);
  f(shape<37, 7>, 5);
  f(shape<48, 12>, 31);
  f(shape<129, 16>, 7);
}

/// What the benchmark times: the published TiTok codebooks, the reference descriptions', and a training batch.
void nearest_code_benchmark(auto&& f) {
  f(shape<4096, 12>, 64);
  f(shape<4096, 12>, 4096);
  f(shape<8192, 64>, 1024);
  f(shape<512, 32>, 2048);
  f(shape<8192, 1024>, 256);
}

}  // namespace tessera::cases

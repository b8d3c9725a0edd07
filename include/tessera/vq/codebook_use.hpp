// How much of a codebook is in use. Collapse, where few codes serve all latents, is the usual failure of VQ training.
#pragma once

#include <cmath>

#include <tessera/core/types.hpp>

namespace tessera {

struct CodebookUse {
  Index used = 0;         ///< codes chosen at least once
  Index dead = 0;         ///< the others
  double perplexity = 0;  ///< exp of the entropy of the choices: K when all are chosen alike
};

/// counts [K]: how often each code was chosen.
inline CodebookUse codebook_use(View<const std::int64_t> counts) {
  double total = 0;
  for (const std::int64_t count : counts) total += static_cast<double>(count);
  CodebookUse use;
  double entropy = 0;
  for (const std::int64_t count : counts) {
    if (count == 0) {
      ++use.dead;
      continue;
    }
    ++use.used;
    const double p = static_cast<double>(count) / total;
    entropy -= p * std::log(p);
  }
  use.perplexity = std::exp(entropy);
  return use;
}

}  // namespace tessera

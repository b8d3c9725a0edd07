// Vector quantization: latent -> id of the nearest code -> code vector, with the straight-through gradient and the
// codebook and commitment losses of VQ-VAE (van den Oord et al. 2017, arXiv:1711.00937, eq. 3).
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/config.hpp>
#include <tessera/core/layout.hpp>

namespace tessera {

template <Index K, Index C, Metric metric>
struct Quantizer {
  static_assert(K > 0 && C > 0, "Quantizer: no codes; set Config::codebook_size and Config::code_dim.");
  static constexpr bool cosine = metric == Metric::cosine;

  /// What is computed once from the codebook: after load, or after each optimizer step.
  template <class S>
  struct Codes {
    View<S> unit{};         // [K, C], codes / max(|code|, 1e-12); cosine only
    View<Wide<S>> norms{};  // [K], max(|code|, 1e-12); cosine only
    View<S> packed{};       // for nearest_code

    template <Backend B>
    constexpr void visit(auto& v) {
      if constexpr (cosine) {
        v(unit, K * C);
        v(norms, K);
      }
      v(packed, B::packed_codes_size(shape<K, C>));
    }
  };

  template <class S>
  struct Saved {
    View<S> unit{};         // [rows, C], latents / max(|latent|, 1e-12); cosine only
    View<Wide<S>> norms{};  // [rows]; cosine only
    View<S> zq{};           // [rows, C], the codes chosen

    constexpr void visit(auto& v, Index rows) {
      if constexpr (cosine) {
        v(unit, rows * C);
        v(norms, rows);
      }
      v(zq, rows * C);
    }
  };

  /// embedding [K, C] -> codes.
  template <Backend B, class S = typename B::Scalar>
  static void prepare(View<const S> embedding, const Codes<S>& codes) {
    if constexpr (cosine) B::normalize_rows(shape<C>, K, embedding, codes.unit, codes.norms);
    B::pack_codes(shape<K, C>, vectors<S>(embedding, codes), codes.packed);
  }

  /// The vectors that latents are compared with and the decoder sees: [K, C].
  template <class S>
  static View<const S> vectors(View<const S> embedding, const Codes<S>& codes) {
    if constexpr (cosine) return codes.unit;
    return embedding;
  }

  /// The latents as they are compared with the codes: [rows, C].
  template <Backend B, class S = typename B::Scalar>
  static View<const S> normalize(Index rows, View<const S> latents, const Saved<S>& saved) {
    if constexpr (cosine) {
      B::normalize_rows(shape<C>, rows, latents, saved.unit, saved.norms);
      return first(View<const S>(saved.unit), rows * C);
    }
    return first(latents, rows * C);
  }

  /// latents [rows, C] -> ids [rows], margins [rows] or empty; returns the latents as they were compared.
  template <Backend B, class S = typename B::Scalar>
  static View<const S> encode(Index rows, View<const S> latents, const Codes<S>& codes, const Saved<S>& saved,
                              View<Token> ids, View<Wide<S>> margins) {
    const View<const S> z = normalize<B>(rows, latents, saved);
    B::nearest_code(shape<K, C>, rows, z, codes.packed, ids, margins);
    return z;
  }

  /// ids [rows] -> saved.zq [rows, C].
  template <Backend B, class S = typename B::Scalar>
  static void decode(Index rows, View<const Token> ids, View<const S> embedding, const Codes<S>& codes,
                     const Saved<S>& saved) {
    B::gather_codes(shape<C>, rows, vectors<S>(embedding, codes), ids, saved.zq);
  }

  template <class S>
  struct Scratch {
    View<S> dzq{};          // [rows, C]
    View<Wide<S>> dunit{};  // [K, C]; cosine only
    View<S> dz{};           // [rows, C]; cosine only

    constexpr void visit(auto& v, Index rows) {
      v(dzq, rows * C);
      if constexpr (cosine) {
        v(dunit, K * C);
        v(dz, rows * C);
      }
    }
  };

  /// The weights of the two losses' gradients.
  struct LossWeights {
    double codebook;
    double commitment;
  };

  /// dz [rows, C] arrives as the decoder's gradient (straight through) and leaves as the latents' gradient.
  /// Adds to dembedding [K, C].
  template <Backend B, class S = typename B::Scalar>
  static void backward(Index rows, View<const S> z, View<const Token> ids, const Codes<S>& codes, const Saved<S>& saved,
                       LossWeights weights, View<S> dz, const Scratch<S>& scratch, View<Wide<S>> dembedding) {
    B::quantizer_loss_backward(z, first(View<const S>(saved.zq), rows * C), weights.codebook, weights.commitment, dz,
                               scratch.dzq);
    if constexpr (cosine) {
      B::fill(Wide<S>{}, scratch.dunit);
      B::gather_codes_backward(shape<C>, rows, scratch.dzq, ids, scratch.dunit);
      B::normalize_rows_backward(shape<C>, K, codes.unit, codes.norms, scratch.dunit, dembedding);
    } else {
      B::gather_codes_backward(shape<C>, rows, scratch.dzq, ids, dembedding);
    }
    normalize_backward<B>(rows, saved, dz, scratch);
  }

  /// dz: the gradient of what `normalize` returned -> of the latents, in place.
  template <Backend B, class S = typename B::Scalar>
  static void normalize_backward(Index rows, const Saved<S>& saved, View<S> dz, const Scratch<S>& scratch) {
    if constexpr (cosine) {
      B::copy_rows(shape<C>, 1, rows, RowBlock<const S>{dz}, View<const S>(), RowBlock<S>{scratch.dz});
      B::fill(S{}, dz);
      B::normalize_rows_backward(shape<C>, rows, saved.unit, saved.norms, scratch.dz, dz);
    }
  }
};

}  // namespace tessera

// One pre-LN block: x = x + attn(ln_1(x)); x = x + mlp(ln_2(x)). The last block of a stack computes only the rows that
// are read afterwards: `kept` of them, from row `first_kept` of each image.
#pragma once

#include <tessera/nn/attention.hpp>
#include <tessera/nn/layer_norm.hpp>
#include <tessera/nn/mlp.hpp>

namespace tessera {

/// Which rows of each image's sequence a block hands on.
struct KeptRows {
  Index rows;   ///< of the sequence
  Index first;  ///< the first one kept
  Index count;

  [[nodiscard]] constexpr bool all() const { return count == rows; }
};

template <Index D, Index heads, Index mlp_ratio>
struct TransformerBlock {
  using Norm = LayerNorm<D>;
  using Attn = Attention<D, heads>;
  using FeedForward = Mlp<D, mlp_ratio>;

  template <class T>
  struct Tensors {
    typename Norm::template Tensors<T> ln_1{}, ln_2{};
    typename Attn::template Tensors<T> attn{};
    typename FeedForward::template Tensors<T> mlp{};

    constexpr void visit(auto& v) {
      v.nested("ln_1", ln_1);
      v.nested("attn", attn);
      v.nested("ln_2", ln_2);
      v.nested("mlp", mlp);
    }
  };

  /// Activations. In training each has its own memory, for backward; else the stream x is updated in place.
  template <class S>
  struct Saved {
    View<S> x{};                // [B, rows, D]
    View<S> normalized{};       // [B, rows, D], ln_1(x)
    View<S> kept{};             // [B, kept, D], x's kept rows; x itself where all are kept
    View<S> kept_normalized{};  // [B, kept, D]
    View<S> middle{};           // [B, kept, D], x + attn
    View<S> middle_normalized{};
    typename Norm::template Saved<S> ln_1{}, ln_2{};
    typename Attn::template Saved<S> attn{};
    typename FeedForward::template Saved<S> mlp{};

    constexpr void visit(auto& v, Index batch, KeptRows keep, bool training) {
      v(x, batch * keep.rows * D);
      v(normalized, batch * keep.rows * D);
      kept = x;
      kept_normalized = normalized;
      if (!keep.all()) {
        v(kept, batch * keep.count * D);
        v(kept_normalized, batch * keep.count * D);
      }
      middle = kept;
      middle_normalized = kept_normalized;
      if (training) {
        v(middle, batch * keep.count * D);
        v(middle_normalized, batch * keep.count * D);
        ln_1.visit(v, batch * keep.rows);
        ln_2.visit(v, batch * keep.count);
      }
      attn.visit(v, batch, keep.count, keep.rows, training);
      mlp.visit(v, batch * keep.count, training);
    }
  };

  /// saved.x [B, rows, D] -> y [B, kept, D]. Outside training y may be saved.middle.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, KeptRows keep, const Saved<S>& saved, View<S> y) {
    const Index rows = batch * keep.count;
    // x = x + self.attn(self.ln_1(x))
    Norm::template forward<B>(w.ln_1, batch * keep.rows, View<const S>(saved.x), saved.normalized, saved.ln_1);
    if (!keep.all()) {
      keep_rows<B>(batch, keep, View<const S>(saved.x), saved.kept);
      keep_rows<B>(batch, keep, View<const S>(saved.normalized), saved.kept_normalized);
    }
    Attn::template forward<B>(w.attn, batch, keep.count, keep.rows, View<const S>(saved.kept_normalized),
                              View<const S>(saved.normalized), View<const S>(saved.kept), saved.middle, saved.attn);
    // x = x + self.mlp(self.ln_2(x))
    Norm::template forward<B>(w.ln_2, rows, View<const S>(saved.middle), saved.middle_normalized, saved.ln_2);
    FeedForward::template forward<B>(w.mlp, rows, View<const S>(saved.middle_normalized), View<const S>(saved.middle),
                                     y, saved.mlp);
  }

  template <class S>
  struct Scratch {
    View<S> dnormalized{};       // [B, rows, D]
    View<S> dkept_normalized{};  // [B, kept, D]
    typename Attn::template Scratch<S> attn{};
    typename FeedForward::template Scratch<S> mlp{};

    template <Backend B>
    constexpr void visit(auto& v, Index batch, KeptRows keep) {
      v(dnormalized, batch * keep.rows * D);
      dkept_normalized = dnormalized;
      if (!keep.all()) v(dkept_normalized, batch * keep.count * D);
      attn.template visit<B>(v, batch, keep.count, keep.rows);
      mlp.template visit<B>(v, batch * keep.count);
    }
  };

  /// dy [B, kept, D], which is used up, -> dx [B, rows, D], overwritten; where all rows are kept, dx is dy's memory.
  /// Adds to the gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, KeptRows keep, const Saved<S>& saved, View<S> dy, View<S> dx,
                       const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    const Index rows = batch * keep.count;
    const View<S> dmiddle = dy;  // the residual hands dy on; ln_2 adds its part
    FeedForward::template backward<B>(w.mlp, rows, View<const S>(saved.middle_normalized), saved.mlp, View<const S>(dy),
                                      scratch.dkept_normalized, scratch.mlp, d.mlp);
    Norm::template backward<B>(w.ln_2, rows, View<const S>(saved.middle), saved.ln_2,
                               View<const S>(scratch.dkept_normalized), dmiddle, d.ln_2);
    Attn::template backward<B>(w.attn, batch, keep.count, keep.rows, View<const S>(saved.kept_normalized),
                               View<const S>(saved.normalized), saved.attn, View<const S>(dmiddle),
                               scratch.dkept_normalized, scratch.dnormalized, scratch.attn, d.attn);
    if (!keep.all()) {
      add_kept_rows<B>(batch, keep, View<const S>(scratch.dkept_normalized), scratch.dnormalized);
      B::fill(S{}, dx);
      add_kept_rows<B>(batch, keep, View<const S>(dmiddle), dx);
    }
    Norm::template backward<B>(w.ln_1, batch * keep.rows, View<const S>(saved.x), saved.ln_1,
                               View<const S>(scratch.dnormalized), dx, d.ln_1);
  }

 private:
  template <Backend B, class S = typename B::Scalar>
  static void keep_rows(Index batch, KeptRows keep, View<const S> all, View<S> kept) {
    B::copy_rows(shape<D>, batch, keep.count, RowBlock<const S>{all, keep.rows, keep.first}, View<const S>(),
                 RowBlock<S>{kept, keep.count});
  }
  template <Backend B, class S = typename B::Scalar>
  static void add_kept_rows(Index batch, KeptRows keep, View<const S> kept, View<S> all) {
    B::add_rows(shape<D>, batch, keep.count, RowBlock<const S>{kept, keep.count},
                RowBlock<S>{all, keep.rows, keep.first});
  }
};

}  // namespace tessera

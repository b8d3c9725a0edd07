// A stack of equal blocks: depth is a loop, so every stack of one width shares its kernels.
#pragma once

#include <array>

#include <tessera/nn/transformer_block.hpp>

namespace tessera {

template <Index D, Index depth, Index heads, Index mlp_ratio>
struct Transformer {
  static_assert(depth > 0, "Transformer: no blocks; set the Config's depth.");
  using Block = TransformerBlock<D, heads, mlp_ratio>;

  template <class T>
  struct Tensors {
    std::array<typename Block::template Tensors<T>, static_cast<std::size_t>(depth)> blocks{};

    constexpr void visit(auto& v) {
      Index i = 0;
      for (auto& block : blocks) v.nested_at("transformer", i++, block);
    }
  };

  template <class S>
  struct Saved {
    std::array<typename Block::template Saved<S>, static_cast<std::size_t>(depth)> blocks{};
    View<S> output{};  // [B, kept, D]

    /// Training keeps every block's activations; inference shares one block's memory among all.
    constexpr void visit(auto& v, Index batch, KeptRows keep, bool training) {
      const KeptRows all{keep.rows, 0, keep.rows};
      if (training) {
        for (auto& block : blocks) block.visit(v, batch, &block == &blocks.back() ? keep : all, true);
        v(output, batch * keep.count * D);
        return;
      }
      blocks.front().visit(v, batch, all, false);
      for (auto& block : blocks) block = blocks.front();
      auto& last = blocks.back();
      if (!keep.all()) {
        v(last.kept, batch * keep.count * D);
        v(last.kept_normalized, batch * keep.count * D);
        last.middle = last.kept;
        last.middle_normalized = last.kept_normalized;
      }
      output = last.middle;
    }
    [[nodiscard]] View<S> input() const { return blocks.front().x; }
  };

  /// saved.input() [B, rows, D] -> saved.output [B, kept, D].
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, KeptRows keep, const Saved<S>& saved) {
    const KeptRows all{keep.rows, 0, keep.rows};
    for (std::size_t i = 0; i + 1 < depth; ++i) {
      Block::template forward<B>(w.blocks[i], batch, all, saved.blocks[i], saved.blocks[i + 1].x);
    }
    Block::template forward<B>(w.blocks.back(), batch, keep, saved.blocks.back(), saved.output);
  }

  template <class S>
  struct Scratch {
    View<S> dx{};       // [B, rows, D]
    View<S> doutput{};  // [B, kept, D]: what the caller fills in
    typename Block::template Scratch<S> block{}, last_block{};

    template <Backend B>
    constexpr void visit(auto& v, Index batch, KeptRows keep) {
      v(dx, batch * keep.rows * D);
      doutput = dx;
      block.template visit<B>(v, batch, {keep.rows, 0, keep.rows});
      last_block = block;
      if (!keep.all()) {
        v(doutput, batch * keep.count * D);
        last_block.template visit<B>(v, batch, keep);
      }
    }
  };

  /// scratch.doutput, which is used up, -> scratch.dx, the gradient of saved.input(). Adds to the gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, KeptRows keep, const Saved<S>& saved,
                       const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    const KeptRows all{keep.rows, 0, keep.rows};
    Block::template backward<B>(w.blocks.back(), batch, keep, saved.blocks.back(), scratch.doutput, scratch.dx,
                                scratch.last_block, d.blocks.back());
    for (std::size_t i = depth - 1; i-- > 0;) {
      Block::template backward<B>(w.blocks[i], batch, all, saved.blocks[i], scratch.dx, scratch.dx, scratch.block,
                                  d.blocks[i]);
    }
  }
};

}  // namespace tessera

// The residual block of MaskGIT-VQGAN's decoder (Chang et al. 2022, arXiv:2202.04200), as published: where it changes
// the number of channels, the shortcut is computed from the block's output instead of its input.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include <tessera/nn/convolution.hpp>
#include <tessera/nn/group_norm.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera {

/// Three buffers for feature maps, each as large as the largest one, that take turns.
template <class S>
struct FeatureMaps {
  View<S> stream{};  // what goes from block to block
  View<S> a{}, b{};

  constexpr void visit(auto& v, Index values) {
    v(stream, values);
    v(a, values);
    v(b, values);
  }
};

template <Index H, Index W, Index In, Index Out, Index groups>
struct ResidualBlock {
  static constexpr bool has_shortcut = In != Out;
  static constexpr Index pixels = H * W;

  using Norm1 = GroupNormSilu<In, groups>;
  using Conv1 = Convolution<H, W, In, Out, false>;
  using Norm2 = GroupNormSilu<Out, groups>;
  using Conv2 = Convolution<H, W, Out, Out, false>;
  using Shortcut = Linear<Out, Out, false>;

  template <class T>
  struct Tensors {
    typename Norm1::template Tensors<T> norm1{};
    typename Conv1::template Tensors<T> conv1{};
    typename Norm2::template Tensors<T> norm2{};
    typename Conv2::template Tensors<T> conv2{};
    typename Shortcut::template Tensors<T> nin_shortcut{};

    constexpr void visit(auto& v) {
      v.nested("norm1", norm1);
      v.nested("conv1", conv1);
      v.nested("norm2", norm2);
      v.nested("conv2", conv2);
      if constexpr (has_shortcut) v.nested("nin_shortcut", nin_shortcut, Dims{Out, Out, 1, 1});
    }
  };

  /// Activations. In training each has its own memory, for backward; else they share three maps.
  template <class S>
  struct Saved {
    View<S> x{};            // [B, H, W, In]
    View<S> normalized1{};  // [B, H, W, In], after norm1 and SiLU
    View<S> hidden{};       // [B, H, W, Out], after conv1
    View<S> normalized2{};  // [B, H, W, Out], after norm2 and SiLU
    View<S> convolved{};    // [B, H, W, Out], after conv2; only where there is a shortcut
    typename Norm1::template Saved<S> norm1{};
    typename Norm2::template Saved<S> norm2{};

    constexpr void visit(auto& v, Index batch) {
      v(x, batch * pixels * In);
      v(normalized1, batch * pixels * In);
      v(hidden, batch * pixels * Out);
      v(normalized2, batch * pixels * Out);
      if constexpr (has_shortcut) v(convolved, batch * pixels * Out);
      norm1.visit(v, batch);
      norm2.visit(v, batch);
    }
    constexpr void share(const FeatureMaps<S>& maps) {
      x = maps.stream;
      normalized1 = normalized2 = maps.a;
      hidden = convolved = maps.b;
    }
  };

  /// saved.x -> y [B, H, W, Out], which may be saved.x.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, const Saved<S>& saved, View<S> y) {
    // hidden_states = self.conv1(F.silu(self.norm1(hidden_states)))
    Norm1::template forward<B>(w.norm1, batch, pixels, View<const S>(saved.x), saved.normalized1, saved.norm1);
    Conv1::template forward<B>(w.conv1, batch, View<const S>(saved.normalized1), View<const S>(), saved.hidden);
    // hidden_states = self.conv2(F.silu(self.norm2(hidden_states)))
    Norm2::template forward<B>(w.norm2, batch, pixels, View<const S>(saved.hidden), saved.normalized2, saved.norm2);
    const View<const S> normalized2 = saved.normalized2;
    if constexpr (has_shortcut) {
      // residual = self.nin_shortcut(hidden_states); return hidden_states + residual
      const View<const S> convolved = saved.convolved;
      Conv2::template forward<B>(w.conv2, batch, normalized2, View<const S>(), saved.convolved);
      Shortcut::template forward<B>(w.nin_shortcut, batch * pixels, convolved, y, {.residual = convolved});
    } else {
      Conv2::template forward<B>(w.conv2, batch, normalized2, View<const S>(saved.x), y);
    }
  }

  /// Values of scratch for the weights' gradients.
  template <Backend B>
  static constexpr Index products(Index batch) {
    const Index convolutions = std::max(Conv1::template scratch<B>(batch), Conv2::template scratch<B>(batch));
    return has_shortcut ? std::max(convolutions, Shortcut::template scratch<B>(batch * pixels)) : convolutions;
  }

  /// maps.stream: dy [B, H, W, Out] -> dx [B, H, W, In]; uses up a and b. Adds to the gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, const Saved<S>& saved, FeatureMaps<S> maps, View<S> products,
                       const Tensors<Wide<S>>& d) {
    const View<const S> dy = maps.stream;
    const View<S> dx = first(maps.stream, batch * pixels * In);
    View<S> dconvolved = maps.stream, dnormalized = maps.a, dhidden = maps.b;
    if constexpr (has_shortcut) {
      Shortcut::template backward_weight<B>(batch * pixels, View<const S>(saved.convolved), dy, products,
                                            d.nin_shortcut);
      Shortcut::template backward_input<B>(w.nin_shortcut, batch * pixels, dy, maps.a, {.residual = dy});
      dconvolved = dhidden = maps.a;  // dconvolved has been read when dhidden is written
      dnormalized = maps.b;
    }
    Conv2::template backward_weight<B>(batch, View<const S>(saved.normalized2), View<const S>(dconvolved), products,
                                       d.conv2);
    Conv2::template backward_input<B>(w.conv2, batch, View<const S>(dconvolved), dnormalized);
    B::fill(S{}, first(dhidden, batch * pixels * Out));
    Norm2::template backward<B>(w.norm2, batch, pixels, View<const S>(saved.hidden), saved.norm2,
                                View<const S>(dnormalized), dhidden, d.norm2);
    Conv1::template backward_weight<B>(batch, View<const S>(saved.normalized1), View<const S>(dhidden), products,
                                       d.conv1);
    Conv1::template backward_input<B>(w.conv1, batch, View<const S>(dhidden), dnormalized);
    if constexpr (has_shortcut) B::fill(S{}, dx);  // without, dy goes on through the residual
    Norm1::template backward<B>(w.norm1, batch, pixels, View<const S>(saved.x), saved.norm1, View<const S>(dnormalized),
                                dx, d.norm1);
  }
};

/// `count` blocks one after the other, of which the first may change the number of channels.
template <Index H, Index W, Index In, Index Out, Index groups, Index count>
struct ResidualBlocks {
  static_assert(count > 0, "ResidualBlocks: no blocks; set Config::pixel_decoder.res_blocks.");
  using First = ResidualBlock<H, W, In, Out, groups>;
  using Next = ResidualBlock<H, W, Out, Out, groups>;
  static constexpr std::size_t others = static_cast<std::size_t>(count - 1);

  template <class T>
  struct Tensors {
    typename First::template Tensors<T> first_block{};
    std::array<typename Next::template Tensors<T>, others> next{};

    /// `name`: of the list of blocks in the state dict.
    constexpr void visit(auto& v, std::string_view name) {
      v.nested_at(name, 0, first_block);
      Index i = 1;
      for (auto& block : next) v.nested_at(name, i++, block);
    }
  };

  template <class S>
  struct Saved {
    typename First::template Saved<S> first_block{};
    std::array<typename Next::template Saved<S>, others> next{};

    constexpr void visit(auto& v, Index batch) {
      first_block.visit(v, batch);
      for (auto& block : next) block.visit(v, batch);
    }
    constexpr void share(const FeatureMaps<S>& maps) {
      first_block.share(maps);
      for (auto& block : next) block.share(maps);
    }
    [[nodiscard]] View<S> input() const { return first_block.x; }
  };

  /// saved.input() [B, H, W, In] -> y [B, H, W, Out], which may be the same memory.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, const Saved<S>& saved, View<S> y) {
    const auto output = [&](std::size_t i) { return i < others ? saved.next[i].x : y; };
    First::template forward<B>(w.first_block, batch, saved.first_block, output(0));
    for (std::size_t i = 0; i < others; ++i) {
      Next::template forward<B>(w.next[i], batch, saved.next[i], output(i + 1));
    }
  }

  template <Backend B>
  static constexpr Index products(Index batch) {
    return std::max(First::template products<B>(batch), Next::template products<B>(batch));
  }

  /// maps.stream: dy [B, H, W, Out] -> dx [B, H, W, In]; uses up a and b. Adds to the gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, const Saved<S>& saved, FeatureMaps<S> maps, View<S> products,
                       const Tensors<Wide<S>>& d) {
    for (std::size_t i = others; i-- > 0;) {
      Next::template backward<B>(w.next[i], batch, saved.next[i], maps, products, d.next[i]);
    }
    First::template backward<B>(w.first_block, batch, saved.first_block, maps, products, d.first_block);
  }
};

}  // namespace tessera

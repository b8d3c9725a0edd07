// MaskGIT-VQGAN's decoder (Chang et al. 2022, arXiv:2202.04200): a small feature map -> image, by residual blocks of
// 3 x 3 convolutions, and a doubling of the sides between one level and the next finer one. Maps are [B, H, W, C].
#pragma once

#include <algorithm>
#include <tuple>
#include <utility>

#include <tessera/config.hpp>
#include <tessera/nn/residual_block.hpp>

namespace tessera {

/// One level, at H x W pixels: residual blocks, then, but at the finest level, a map of twice the sides.
template <Index H, Index W, Index In, Index Out, Index groups, Index count, bool upsamples>
struct PixelDecoderLevel {
  using Blocks = ResidualBlocks<H, W, In, Out, groups, count>;
  using Upsample = Convolution<2 * H, 2 * W, Out, Out>;
  static constexpr Index output_values = H * W * Out;                           // of one image's blocks
  static constexpr Index upsampled_values = upsamples ? 4 * output_values : 0;  // of its larger map
  static constexpr Index largest_map = std::max({H * W * In, output_values, upsampled_values});

  template <class T>
  struct Tensors {
    typename Blocks::template Tensors<T> blocks{};
    typename Upsample::template Tensors<T> upsample_conv{};

    constexpr void visit(auto& v) {
      blocks.visit(v, "block");
      if constexpr (upsamples) v.nested("upsample_conv", upsample_conv);
    }
  };

  template <class S>
  struct Saved {
    typename Blocks::template Saved<S> blocks{};
    View<S> output{};  // [B, H, W, Out], the blocks'; only where the map is enlarged afterwards

    constexpr void visit(auto& v, Index batch) {
      blocks.visit(v, batch);
      if constexpr (upsamples) v(output, batch * output_values);
    }
    constexpr void share(const FeatureMaps<S>& maps) {
      blocks.share(maps);
      output = maps.stream;
    }
  };

  /// saved.blocks.input() -> y, [B, 2 H, 2 W, Out] or, at the finest level, [B, H, W, Out]. `enlarged` is used up.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, const Saved<S>& saved, View<S> enlarged, View<S> y) {
    if constexpr (upsamples) {
      // hidden_states = F.interpolate(hidden_states, scale_factor=2.0, mode="nearest")
      // hidden_states = self.upsample_conv(hidden_states)
      Blocks::template forward<B>(w.blocks, batch, saved.blocks, saved.output);
      B::upsample2(shape<H, W, Out>, batch, saved.output, enlarged);
      Upsample::template forward<B>(w.upsample_conv, batch, View<const S>(enlarged), View<const S>(), y);
    } else {
      Blocks::template forward<B>(w.blocks, batch, saved.blocks, y);
    }
  }

  template <Backend B>
  static constexpr Index products(Index batch) {
    const Index blocks = Blocks::template products<B>(batch);
    if constexpr (upsamples) return std::max(blocks, Upsample::template scratch<B>(batch));
    return blocks;
  }

  /// maps.stream: dy, of y's size -> dx [B, H, W, In]; uses up a and b. Adds to the gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, const Saved<S>& saved, FeatureMaps<S> maps, View<S> products,
                       const Tensors<Wide<S>>& d) {
    if constexpr (upsamples) {
      // The enlarged map is made again: to keep it would cost four times the memory of the small one.
      const View<const S> dy = maps.stream, enlarged = maps.a;
      B::upsample2(shape<H, W, Out>, batch, saved.output, maps.a);
      Upsample::template backward_weight<B>(batch, enlarged, dy, products, d.upsample_conv);
      Upsample::template backward_input<B>(w.upsample_conv, batch, dy, maps.b);
      B::upsample2_backward(shape<H, W, Out>, batch, maps.b, maps.stream);
    }
    Blocks::template backward<B>(w.blocks, batch, saved.blocks, maps, products, d.blocks);
  }
};

/// Codes [B, height, width, z_channels] -> image [B, channels, height', width'], each side doubled at every level but
/// the finest.
template <PixelDecoderConfig config, Index height, Index width, Index channels>
struct PixelDecoder {
  static constexpr Index groups = PixelDecoderConfig::norm_groups;
  static constexpr std::size_t levels = static_cast<std::size_t>(config.levels());
  static constexpr std::size_t coarsest = levels - 1;
  static constexpr Index last_height = height << coarsest, last_width = width << coarsest;
  static constexpr Index last_pixels = last_height * last_width;
  static constexpr Index z = config.z_channels;
  static constexpr Index first_channels = config.channels(coarsest), last_channels = config.channels(0);

  template <std::size_t level>
  using Level = PixelDecoderLevel<(height << (coarsest - level)), (width << (coarsest - level)),
                                  config.channels(std::min(level + 1, coarsest)), config.channels(level), groups,
                                  config.res_blocks, (level > 0)>;
  using ConvIn = Convolution<height, width, z, first_channels>;
  using Mid = ResidualBlocks<height, width, first_channels, first_channels, groups, config.res_blocks>;
  using NormOut = GroupNormSilu<last_channels, groups>;
  using ConvOut = Convolution<last_height, last_width, last_channels, channels>;
  static constexpr auto image_shape = shape<channels, last_height, last_width, 1>;

  // One member a level, at its index: std::tuple<Level<0>::Tensors<T>, Level<1>::Tensors<T>, ...>.
  using LevelIndices = std::make_index_sequence<levels>;
  template <class T, std::size_t... level>
  static std::tuple<typename Level<level>::template Tensors<T>...> level_tensors(std::index_sequence<level...>);
  template <class S, std::size_t... level>
  static std::tuple<typename Level<level>::template Saved<S>...> level_saved(std::index_sequence<level...>);

  template <class T>
  struct Tensors {
    typename ConvIn::template Tensors<T> conv_in{};
    typename Mid::template Tensors<T> mid{};
    decltype(level_tensors<T>(LevelIndices{})) up{};
    typename NormOut::template Tensors<T> norm_out{};
    typename ConvOut::template Tensors<T> conv_out{};

    constexpr void visit(auto& v) {
      v.nested("conv_in", conv_in);
      mid.visit(v, "mid");
      from_coarsest([&](auto level) { v.nested_at("up", level, std::get<level>(up)); });
      v.nested("norm_out", norm_out);
      v.nested("conv_out", conv_out);
    }
  };

  template <class S>
  struct Saved {
    typename Mid::template Saved<S> mid{};
    decltype(level_saved<S>(LevelIndices{})) up{};
    View<S> output{};      // [B, last_height, last_width, last_channels], of the finest level
    View<S> normalized{};  // the same, after norm_out and SiLU
    View<S> enlarged{};    // a level's output at twice its sides
    View<S> pixels{};      // [B, last_height, last_width, channels]
    typename NormOut::template Saved<S> norm_out{};

    /// Training keeps every block's activations; inference shares three maps among all.
    constexpr void visit(auto& v, Index batch, bool training) {
      v(pixels, batch * last_pixels * channels);
      if (training) {
        mid.visit(v, batch);
        from_coarsest([&](auto level) { std::get<level>(up).visit(v, batch); });
        v(output, batch * last_pixels * last_channels);
        v(normalized, batch * last_pixels * last_channels);
        v(enlarged, batch * largest_upsampled());
        norm_out.visit(v, batch);
        return;
      }
      FeatureMaps<S> maps;
      maps.visit(v, batch * largest_map());
      mid.share(maps);
      from_coarsest([&](auto level) { std::get<level>(up).share(maps); });
      output = maps.stream;
      normalized = enlarged = maps.a;
    }
  };

  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, View<const S> codes, const Saved<S>& saved, View<S> image) {
    // hidden_states = self.conv_in(hidden_states); for block in self.mid: hidden_states = block(hidden_states)
    ConvIn::template forward<B>(w.conv_in, batch, codes, View<const S>(), saved.mid.input());
    Mid::template forward<B>(w.mid, batch, saved.mid, std::get<coarsest>(saved.up).blocks.input());
    // for block in reversed(self.up): hidden_states = block(hidden_states)
    from_coarsest([&](auto level) {
      const auto& level_saved = std::get<level>(saved.up);
      Level<level>::template forward<B>(std::get<level>(w.up), batch, level_saved, saved.enlarged,
                                        level_output<level>(saved));
    });
    // hidden_states = self.conv_out(F.silu(self.norm_out(hidden_states)))
    NormOut::template forward<B>(w.norm_out, batch, last_pixels, View<const S>(saved.output), saved.normalized,
                                 saved.norm_out);
    ConvOut::template forward<B>(w.conv_out, batch, View<const S>(saved.normalized), View<const S>(), saved.pixels);
    B::unpatchify(image_shape, batch, saved.pixels, image);
  }

  template <class S>
  struct Scratch {
    FeatureMaps<S> maps{};
    View<S> dpixels{};   // [B, last_height, last_width, channels]
    View<S> products{};  // of the weights' gradients

    template <Backend B>
    constexpr void visit(auto& v, Index batch) {
      maps.visit(v, batch * largest_map());
      v(dpixels, batch * last_pixels * channels);
      Index most = std::max(
          {ConvIn::template scratch<B>(batch), Mid::template products<B>(batch), ConvOut::template scratch<B>(batch)});
      from_coarsest([&](auto level) { most = std::max(most, Level<level>::template products<B>(batch)); });
      v(products, most);
    }
  };

  /// dimage [B, channels, height', width'] -> dcodes [B, height, width, z_channels], overwritten. Adds to the
  /// gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, View<const S> codes, const Saved<S>& saved,
                       View<const S> dimage, View<S> dcodes, const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    const FeatureMaps<S>& maps = scratch.maps;
    const View<const S> dpixels = scratch.dpixels, dstream = maps.stream;
    B::unpatchify_backward(image_shape, batch, dimage, scratch.dpixels);
    ConvOut::template backward_weight<B>(batch, View<const S>(saved.normalized), dpixels, scratch.products, d.conv_out);
    ConvOut::template backward_input<B>(w.conv_out, batch, dpixels, maps.a);
    B::fill(S{}, first(maps.stream, batch * last_pixels * last_channels));
    NormOut::template backward<B>(w.norm_out, batch, last_pixels, View<const S>(saved.output), saved.norm_out,
                                  View<const S>(maps.a), maps.stream, d.norm_out);
    from_finest([&](auto level) {
      Level<level>::template backward<B>(std::get<level>(w.up), batch, std::get<level>(saved.up), maps,
                                         scratch.products, std::get<level>(d.up));
    });
    Mid::template backward<B>(w.mid, batch, saved.mid, maps, scratch.products, d.mid);
    ConvIn::template backward_weight<B>(batch, codes, dstream, scratch.products, d.conv_in);
    ConvIn::template backward_input<B>(w.conv_in, batch, dstream, dcodes);
  }

 private:
  /// f(std::integral_constant level), from 0 up.
  static constexpr void from_finest(auto&& f) {
    [&]<std::size_t... level>(std::index_sequence<level...>) {
      (f(std::integral_constant<std::size_t, level>{}), ...);
    }
    (LevelIndices{});
  }
  static constexpr void from_coarsest(auto&& f) {
    [&]<std::size_t... level>(std::index_sequence<level...>) {
      (f(std::integral_constant<std::size_t, coarsest - level>{}), ...);
    }
    (LevelIndices{});
  }

  /// Of one image's maps, in values.
  static constexpr Index largest_map() {
    Index most = height * width * std::max(z, first_channels);
    from_finest([&](auto level) { most = std::max(most, Level<level>::largest_map); });
    return most;
  }
  static constexpr Index largest_upsampled() {
    Index most = 0;
    from_finest([&](auto level) { most = std::max(most, Level<level>::upsampled_values); });
    return most;
  }

  /// Where a level writes: what the next finer one reads.
  template <std::size_t level, class S>
  static View<S> level_output(const Saved<S>& saved) {
    if constexpr (level > 0) {
      return std::get<level - 1>(saved.up).blocks.input();
    } else {
      return saved.output;
    }
  }
};

}  // namespace tessera

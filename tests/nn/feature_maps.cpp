// Gradients of the layers on feature maps: convolutions, norms, residual blocks, and the pixel decoder of them. Forward
// passes share three maps, as in inference; backward passes read what a training pass saved.
#include <nn/layer_check.hpp>

#include <tessera/nn/pixel_decoder.hpp>
#include <tessera/nn/weighted_codes.hpp>

using namespace tessera;
using gradients::BoundWeights;
using gradients::read;
using gradients::Values;
using gradients::write;
using gradients::Writes;

namespace {

template <class Layer>
gradients::Input parameters() {
  return {"parameters", gradients::random_values(gradients::parameter_size<Layer>(), 9), Writes::adds};
}

template <Index H, Index W, Index In, Index Out, bool has_bias>
void check_convolution(Index batch) {
  using Layer = Convolution<H, W, In, Out, has_bias>;
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    Values<T> y = in[2];  // the residual's own memory
    const BoundWeights<Layer, reference<T>> w(in[1]);
    Layer::template forward<reference<T>>(w.tensors, batch, read(in[0]), read(y), write(y));
    return y;
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    Values<double> scratch(Layer::template scratch<B>(batch));
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template backward_weight<B>(batch, read(in[0]), read(dy), write(scratch),
                                       gradients::bind_gradients<Layer>(d[1]));
    Layer::template backward_input<B>(w.tensors, batch, read(dy), write(d[0]));
    d[2] = dy;
  };
  gradients::check_gradients({{"x", gradients::random_values(batch * H * W * In, 1), Writes::overwrites},
                              parameters<Layer>(),
                              {"residual", gradients::random_values(batch * H * W * Out, 2), Writes::overwrites}},
                             forward, backward);
}

template <Index C, Index groups>
void check_group_norm(Index batch, Index pixels) {
  using Layer = GroupNormSilu<C, groups>;
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    Values<T> y = gradients::poisoned<T>(batch * pixels * C);
    const BoundWeights<Layer, reference<T>> w(in[1]);
    Layer::template forward<reference<T>>(w.tensors, batch, pixels, read(in[0]), write(y), {});
    return y;
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    typename Layer::template Saved<double> saved;
    const auto work = gradients::make_work<double>([&](auto& v) { saved.visit(v, batch); });
    Values<double> y = gradients::poisoned<double>(batch * pixels * C);
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template forward<B>(w.tensors, batch, pixels, read(in[0]), write(y), saved);
    Layer::template backward<B>(w.tensors, batch, pixels, read(in[0]), saved, read(dy), write(d[0]),
                                gradients::bind_gradients<Layer>(d[1]));
  };
  gradients::check_gradients(
      {{"x", gradients::random_values(batch * pixels * C, 1), Writes::adds}, parameters<Layer>()}, forward, backward);
}

/// A list of blocks as a layer of its own: the checks bind the tensors of a `visit` without a name.
template <Index H, Index W, Index In, Index Out, Index groups, Index count>
struct Blocks : ResidualBlocks<H, W, In, Out, groups, count> {
  using Base = ResidualBlocks<H, W, In, Out, groups, count>;
  template <class T>
  struct Tensors : Base::template Tensors<T> {
    constexpr void visit(auto& v) { Base::template Tensors<T>::visit(v, "block"); }
  };
};

template <Index H, Index W, Index In, Index Out, Index groups, Index count>
void check_blocks(Index batch) {
  using Layer = Blocks<H, W, In, Out, groups, count>;
  constexpr Index x_values = H * W * In, y_values = H * W * Out, most = std::max(x_values, y_values);
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    typename Layer::template Saved<T> saved;
    FeatureMaps<T> maps;
    const auto work = gradients::make_work<T>([&](auto& v) { maps.visit(v, batch * most); });
    saved.share(maps);
    std::ranges::copy(in[0], maps.stream.begin());
    const BoundWeights<Layer, reference<T>> w(in[1]);
    Layer::template forward<reference<T>>(w.tensors, batch, saved, maps.stream);
    return Values<T>(maps.stream.begin(), maps.stream.begin() + batch * y_values);
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    typename Layer::template Saved<double> saved;
    FeatureMaps<double> maps;
    View<double> products;
    const auto work = gradients::make_work<double>([&](auto& v) {
      saved.visit(v, batch);
      maps.visit(v, batch * most);
      v(products, Layer::template products<B>(batch));
    });
    std::ranges::copy(in[0], saved.input().begin());
    Values<double> y = gradients::poisoned<double>(batch * y_values);
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template forward<B>(w.tensors, batch, saved, write(y));
    std::ranges::copy(dy, maps.stream.begin());
    Layer::template backward<B>(w.tensors, batch, saved, maps, products, gradients::bind_gradients<Layer>(d[1]));
    std::copy_n(maps.stream.begin(), batch * x_values, d[0].begin());
  };
  gradients::check_gradients(
      {{"x", gradients::random_values(batch * x_values, 1), Writes::overwrites}, parameters<Layer>()}, forward,
      backward);
}

template <Index K, Index C>
void check_weighted_codes(Index rows) {
  using Layer = WeightedCodes<K, C>;
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    Values<T> y = gradients::poisoned<T>(rows * C);
    const BoundWeights<Layer, reference<T>> w(in[1]);
    Layer::template forward<reference<T>>(w.tensors, rows, read(in[0]), write(y));
    return y;
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    Values<double> scratch(Layer::template scratch<B>(rows));
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template backward<B>(w.tensors, rows, read(in[0]), read(dy), write(d[0]), write(scratch),
                                gradients::bind_gradients<Layer>(d[1]));
  };
  gradients::check_gradients({{"p", gradients::random_values(rows * K, 1), Writes::overwrites}, parameters<Layer>()},
                             forward, backward);
}

template <PixelDecoderConfig config, Index height, Index width, Index channels>
void check_pixel_decoder(Index batch) {
  using Layer = PixelDecoder<config, height, width, channels>;
  constexpr Index image_values = Layer::last_pixels * channels;
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    typename Layer::template Saved<T> saved;
    const auto work = gradients::make_work<T>([&](auto& v) { saved.visit(v, batch, false); });
    Values<T> image = gradients::poisoned<T>(batch * image_values);
    const BoundWeights<Layer, reference<T>> w(in[1]);
    Layer::template forward<reference<T>>(w.tensors, batch, read(in[0]), saved, write(image));
    return image;
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dimage, auto& d) {
    using B = reference<double>;
    typename Layer::template Saved<double> saved;
    typename Layer::template Scratch<double> scratch;
    const auto work = gradients::make_work<double>([&](auto& v) {
      saved.visit(v, batch, true);
      scratch.template visit<B>(v, batch);
    });
    Values<double> image = gradients::poisoned<double>(batch * image_values);
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template forward<B>(w.tensors, batch, read(in[0]), saved, write(image));
    Layer::template backward<B>(w.tensors, batch, read(in[0]), saved, read(dimage), write(d[0]), scratch,
                                gradients::bind_gradients<Layer>(d[1]));
  };
  gradients::check_gradients(
      {{"codes", gradients::random_values(batch * height * width * config.z_channels, 1), Writes::overwrites},
       parameters<Layer>()},
      forward, backward);
}

constexpr PixelDecoderConfig narrowing{.hidden_channels = 32, .channel_mult = {1, 2}, .res_blocks = 1, .z_channels = 5};
constexpr PixelDecoderConfig widening{.hidden_channels = 32, .channel_mult = {2, 1}, .res_blocks = 1, .z_channels = 1};
constexpr PixelDecoderConfig level{.hidden_channels = 64, .channel_mult = {1}, .res_blocks = 2, .z_channels = 3};

}  // namespace

TEST_CASE("Convolution: gradients") {
  check_convolution<1, 1, 1, 1, true>(1);
  check_convolution<3, 2, 5, 17, true>(2);
  check_convolution<2, 5, 3, 2, false>(1);
}

TEST_CASE("GroupNormSilu: gradients") {
  check_group_norm<4, 1>(2, 1);
  check_group_norm<9, 3>(2, 5);
  check_group_norm<18, 2>(1, 3);
}

TEST_CASE("ResidualBlocks: gradients") {
  check_blocks<2, 3, 4, 4, 2, 1>(2);
  check_blocks<1, 3, 4, 6, 2, 1>(2);
  check_blocks<3, 1, 6, 2, 1, 1>(1);
  check_blocks<2, 2, 3, 6, 3, 3>(1);
}

TEST_CASE("WeightedCodes: gradients") {
  check_weighted_codes<1, 1>(1);
  check_weighted_codes<5, 17>(3);
  check_weighted_codes<18, 2>(2);
}

TEST_CASE("PixelDecoder: gradients") {
  check_pixel_decoder<narrowing, 1, 2, 3>(1);
  check_pixel_decoder<widening, 2, 1, 1>(2);
  check_pixel_decoder<level, 2, 3, 2>(1);
}

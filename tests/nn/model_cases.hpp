// Small models that cover the families and the odd sizes, and their parameters and pictures.
#pragma once

#include <nn/layer_check.hpp>

#include <tessera/presets.hpp>
#include <tessera/training_pass.hpp>

namespace tessera::gradients {

/// Patch family: one channel, one head, an image that is not square.
inline constexpr Config wide_patch{.image = {4, 6},
                                   .channels = 1,
                                   .patch_size = 2,
                                   .encoder = {.dim = 5, .depth = 2, .heads = 1},
                                   .decoder = {.dim = 6, .depth = 1, .heads = 2, .mlp_ratio = 3},
                                   .codebook_size = 7,
                                   .code_dim = 3};

/// Patch family: one token, and cosine distance.
inline constexpr Config single_patch{.image = {3, 3},
                                     .channels = 2,
                                     .patch_size = 3,
                                     .encoder = {.dim = 7, .depth = 1, .heads = 7},
                                     .decoder = {.dim = 3, .depth = 2, .heads = 1, .mlp_ratio = 1},
                                     .codebook_size = 5,
                                     .code_dim = 4,
                                     .metric = Metric::cosine};

/// Latent family: width above one vector of sixteen, and no multiple of it.
inline constexpr Config tall_latent{.image = {8, 4},
                                    .patch_size = 4,
                                    .encoder = {.dim = 17, .depth = 2, .heads = 1},
                                    .decoder = {.dim = 18, .depth = 2, .heads = 3},
                                    .latent_tokens = 3,
                                    .codebook_size = 11,
                                    .code_dim = 5,
                                    .range = InputRange::imagenet,
                                    .commitment = 0.5};

/// Latent family: one token, one value a code.
inline constexpr Config one_latent{.image = {2, 2},
                                   .patch_size = 1,
                                   .encoder = {.dim = 4, .depth = 1, .heads = 2},
                                   .decoder = {.dim = 3, .depth = 1, .heads = 1},
                                   .latent_tokens = 1,
                                   .codebook_size = 4,
                                   .code_dim = 1};

/// Class token and cosine distance.
inline constexpr Config class_token{.image = {4, 4},
                                    .patch_size = 2,
                                    .encoder = {.dim = 6, .depth = 2, .heads = 3},
                                    .decoder = {.dim = 8, .depth = 1, .heads = 2, .mlp_ratio = 2},
                                    .latent_tokens = 2,
                                    .class_token = true,
                                    .codebook_size = 9,
                                    .code_dim = 4,
                                    .metric = Metric::cosine};

/// Continuous latents, and a decoder that sees a text.
inline constexpr Config text_posterior{.image = {6, 2},
                                       .patch_size = 2,
                                       .encoder = {.dim = 9, .depth = 1, .heads = 3},
                                       .decoder = {.dim = 10, .depth = 2, .heads = 5, .mlp_ratio = 1},
                                       .latent_tokens = 2,
                                       .class_token = true,
                                       .code_dim = 3,
                                       .quantize_mode = QuantizeMode::vae,
                                       .text = {.length = 3, .width = 7}};

/// Legacy head, one pixel a patch, and a text: the parts do not ask about each other.
inline constexpr Config one_level{
    .image = {3, 2},
    .channels = 2,
    .patch_size = 1,
    .encoder = {.dim = 7, .depth = 1, .heads = 1},
    .decoder = {.dim = 5, .depth = 1, .heads = 1},
    .latent_tokens = 3,
    .codebook_size = 6,
    .code_dim = 4,
    .text = {.length = 1, .width = 2},
    .reinterpreted_latents = true,
    .pixel_decoder = {
        .hidden_channels = 32, .channel_mult = {1}, .res_blocks = 1, .z_channels = 3, .codebook_size = 5}};

/// Legacy head of two levels, of which one changes the number of channels; latents of a cosine metric.
inline constexpr Config two_levels{
    .image = {2, 6},
    .patch_size = 2,
    .encoder = {.dim = 6, .depth = 1, .heads = 2},
    .decoder = {.dim = 4, .depth = 1, .heads = 2},
    .latent_tokens = 2,
    .class_token = true,
    .codebook_size = 7,
    .code_dim = 3,
    .metric = Metric::cosine,
    .reinterpreted_latents = true,
    .pixel_decoder = {
        .hidden_channels = 32, .channel_mult = {1, 2}, .res_blocks = 2, .z_channels = 5, .codebook_size = 9}};

/// f.operator()<config>(name, batch) for every model.
void for_each_small_model(auto&& f) {
  f.template operator()<wide_patch>("wide_patch", 1);
  f.template operator()<single_patch>("single_patch", 2);
  f.template operator()<tall_latent>("tall_latent", 2);
  f.template operator()<one_latent>("one_latent", 3);
  f.template operator()<class_token>("class_token", 2);
  f.template operator()<text_posterior>("text_posterior", 2);
  f.template operator()<one_level>("one_level", 2);
  f.template operator()<two_levels>("two_levels", 2);
}

/// The golden models of the families beyond: larger, so that one forward pass takes a while.
void for_each_tiny_model(auto&& f) {
  f.template operator()<presets::tiny_titok_vae>("tiny_titok_vae", 1);
  f.template operator()<presets::tiny_tatitok_vq>("tiny_tatitok_vq", 1);
  f.template operator()<presets::tiny_tatitok_vae>("tiny_tatitok_vae", 1);
  f.template operator()<presets::tiny_titok_legacy>("tiny_titok_legacy", 1);
}

/// Values that float holds exactly, of a size at which every part of the model takes part.
inline Values<float> model_values(Index size, unsigned seed) {
  Values<float> values;
  for (const double value : random_values(size, seed)) values.push_back(static_cast<float>(value));
  return values;
}

/// One model with its parameters, on one backend.
template <Config config, class B>
class SmallModel {
  using S = typename B::Scalar;
  using Table = ParameterTable<config>;

 public:
  SmallModel(Index batch, PassOptions options, bool decoder_only = false)
      : options_(options),
        pass_(batch, decoder_only),
        parameters_(Table::size),
        image_(batch * config.image_values()),
        text_(batch * config.text_values()),
        noise_(config.has_codes() ? 0 : batch * config.tokens() * config.code_dim) {
    fill(parameters_, 5);
    fill(image_, 6);
    fill(text_, 7);
    fill(noise_, 8);
    tensors_ = Table::bind(View<const S>(parameters_.view()));
    packed_ = PackedWeights<B>(tensors_, true);
  }

  [[nodiscard]] View<S> parameters() { return parameters_.view(); }
  [[nodiscard]] std::vector<Token> ids() const {
    std::vector<Token> ids(pass_.ids().size());
    B::download_tokens(pass_.ids(), ids);
    return ids;
  }

  Losses<typename B::Accumulator> forward() {
    PackedWeights<B>::pack(tensors_);
    return pass_.forward(tensors_, batch(), options_);
  }
  /// Adds 2 * gradient of the last forward to `gradient`, a vector like parameters().
  void backward(View<S> gradient) { pass_.backward(tensors_, batch(), options_, 2.0, Table::bind(gradient)); }

 private:
  using Buffer = typename B::template Buffer<S>;

  static void fill(Buffer& buffer, unsigned seed) { B::upload(model_values(buffer.size(), seed), buffer.view()); }
  [[nodiscard]] TrainingBatch<S> batch() { return {image_.view(), image_.view(), text_.view(), noise_.view()}; }

  PassOptions options_;
  TrainingPass<config, B> pass_;
  Buffer parameters_, image_, text_, noise_;
  typename Model<config>::template Tensors<const S> tensors_{};
  PackedWeights<B> packed_{};
};

}  // namespace tessera::gradients

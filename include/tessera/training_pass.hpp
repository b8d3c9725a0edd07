// One forward and backward pass of a batch: the training loss, and the gradient of every parameter.
#pragma once

#include <tessera/model.hpp>
#include <tessera/reconstruction_loss.hpp>

namespace tessera {

/// reconstruction + codebook + commitment, or, where latents are continuous, reconstruction + kl. Each already
/// times its weight.
template <class A>
struct Losses {
  A reconstruction{};
  A codebook{};
  A commitment{};
  A kl{};

  [[nodiscard]] A total() const { return reconstruction + codebook + commitment + kl; }
};

/// How a pass computes its loss.
struct PassOptions {
  ReconstructionLoss reconstruction = ReconstructionLoss::l2;
  bool quantize = true;          ///< false: the decoder sees the latents themselves, and there is no codebook loss
  double codebook_weight = 1.0;  ///< 0 where the codebook is a moving average instead of a trained parameter
  double kl_weight = 1e-6;       ///< of one image's divergence of the posterior from the unit Gaussian, summed
};

/// What a pass computes it from.
template <class S>
struct TrainingBatch {
  View<const S> input{};   // [batch, channels, H, W] in the model's range
  View<const S> target{};  // equal to the input, unless noise was added to that
  View<const S> text{};    // [batch, length, width] where the decoder sees a text, else empty
  View<const S> noise{};   // [batch, T, code_dim], standard normal, where latents are continuous, else empty
};

/// Memory for passes of a batch. decoder_only: the encoder, its tokens and the codebook are given and get no gradient;
/// the loss is the reconstruction alone (the published code's finetune_decoder).
template <Config config, Backend B>
class TrainingPass {
  using S = typename B::Scalar;
  using A = typename B::Accumulator;
  using M = Model<config>;
  using ModelEncoder = typename M::ModelEncoder;
  using ModelDecoder = typename M::ModelDecoder;
  using Bottleneck = typename M::Bottleneck;
  using Weights = typename M::template Tensors<const S>;
  static constexpr Index T = config.tokens();
  static constexpr Index C = config.code_dim;

 public:
  explicit TrainingPass(Index batch, bool decoder_only = false)
      : batch_(batch), decoder_only_(decoder_only), memory_(work_values(batch, decoder_only)), ids_(id_count(batch)) {
    BufferBinder<S> binder(memory_.view().data());
    work_.visit(binder, batch, decoder_only);
  }

  /// Bytes of activations and scratch for a batch.
  static constexpr std::size_t workspace_bytes(Index batch, bool decoder_only = false) {
    return static_cast<std::size_t>(work_values(batch, decoder_only)) * sizeof(S) +
           static_cast<std::size_t>(id_count(batch)) * sizeof(Token);
  }

  /// w: bound and packed weights.
  Losses<A> forward(const Weights& w, const TrainingBatch<S>& batch, const PassOptions& options) {
    ModelEncoder::template forward<B>(w.encoder, View<const S>(w.latent_tokens), batch_, batch.input, work_.encoder,
                                      work_.latents);
    Losses<A> losses;
    if constexpr (config.has_codes()) {
      code_vectors_ = quantize(w, options, losses);
    } else {
      code_vectors_ = sample(batch, options, losses);
    }
    if (decoder_only_) losses = {};
    ModelDecoder::template forward<B>(w.decoder, batch_, code_vectors_, batch.text, work_.decoder, work_.image);
    losses.reconstruction = options.reconstruction == ReconstructionLoss::l2
                                ? B::squared_error(work_.image, batch.target)
                                : B::absolute_error(work_.image, batch.target);
    return losses;
  }

  /// Adds weight * (the gradient of the last forward's loss) to d.
  void backward(const Weights& w, const TrainingBatch<S>& batch, const PassOptions& options, double weight,
                const typename M::template Tensors<Wide<S>>& d) {
    if (options.reconstruction == ReconstructionLoss::l2) {
      B::squared_error_backward(work_.image, batch.target, weight, work_.dimage);
    } else {
      B::absolute_error_backward(work_.image, batch.target, weight, work_.dimage);
    }
    ModelDecoder::template backward<B>(w.decoder, batch_, code_vectors_, batch.text, work_.decoder,
                                       View<const S>(work_.dimage), work_.dz, work_.decoder_scratch, d.decoder);
    if (decoder_only_) return;
    View<const S> dlatents;
    if constexpr (config.has_codes()) {
      dlatents = quantize_backward(options, weight, d.codebook);
    } else {
      dlatents = sample_backward(batch, options, weight);
    }
    ModelEncoder::template backward<B>(w.encoder, batch_, work_.encoder, dlatents, work_.encoder_scratch, d.encoder,
                                       d.latent_tokens);
  }

  /// Of the last forward: the latents as they were compared with the codes, [batch * T, C].
  [[nodiscard]] View<const S> z() const { return z_; }
  /// Of the last quantized forward: [batch * T].
  [[nodiscard]] View<const Token> ids() const { return ids_.view(); }

 private:
  /// work_.latents -> what the decoder sees, [B, T, C].
  View<const S> quantize(const Weights& w, const PassOptions& options, Losses<A>& losses) {
    const Index rows = batch_ * T;
    const View<const S> latents = work_.latents;
    if (!options.quantize) return z_ = Bottleneck::template normalize<B>(rows, latents, work_.bottleneck);
    Bottleneck::template prepare<B>(w.codebook, work_.codes);
    z_ = Bottleneck::template encode<B>(rows, latents, work_.codes, work_.bottleneck, ids_.view(), View<Wide<S>>());
    Bottleneck::template decode<B>(rows, View<const Token>(ids_.view()), w.codebook, work_.codes, work_.bottleneck);
    const QuantizerLoss<A> loss = B::quantizer_loss(z_, work_.bottleneck.zq);
    losses.codebook = A(options.codebook_weight) * loss.codebook;
    losses.commitment = A(config.commitment) * loss.commitment;
    B::straight_through(z_, work_.bottleneck.zq, work_.decoder_input);
    return work_.decoder_input;
  }

  /// work_.dz -> the latents' gradient.
  View<const S> quantize_backward(const PassOptions& options, double weight, View<Wide<S>> dcodebook) {
    const Index rows = batch_ * T;
    if (options.quantize) {
      Bottleneck::template backward<B>(rows, z_, View<const Token>(ids_.view()), work_.codes, work_.bottleneck,
                                       {weight * options.codebook_weight, weight * config.commitment}, work_.dz,
                                       work_.bottleneck_scratch, dcodebook);
    } else {
      Bottleneck::template normalize_backward<B>(rows, work_.bottleneck, work_.dz, work_.bottleneck_scratch);
    }
    return work_.dz;
  }

  /// As quantize(), for continuous latents.
  View<const S> sample(const TrainingBatch<S>& batch, const PassOptions& options, Losses<A>& losses) {
    const Index rows = batch_ * T;
    const View<const S> parameters = work_.latents;
    Bottleneck::template sample<B>(rows, parameters, batch.noise, work_.bottleneck);
    losses.kl = A(kl_weight(options)) * Bottleneck::template kl<B>(rows, parameters, work_.bottleneck);
    return work_.bottleneck.z;
  }

  View<const S> sample_backward(const TrainingBatch<S>& batch, const PassOptions& options, double weight) {
    Bottleneck::template backward<B>(batch_ * T, View<const S>(work_.latents), batch.noise, View<const S>(work_.dz),
                                     weight * kl_weight(options), work_.bottleneck_scratch);
    return work_.bottleneck_scratch.dparameters;
  }

  /// The loss is the mean over images of sums over their values.
  [[nodiscard]] double kl_weight(const PassOptions& options) const {
    return options.kl_weight / static_cast<double>(batch_);
  }

  struct Work {
    View<S> latents{};        // [B, T, latent_dim()]
    View<S> decoder_input{};  // [B, T, C]; of ids
    View<S> image{};          // [B, channels, H, W]
    View<S> dimage{};         // [B, channels, H, W]
    View<S> dz{};             // [B, T, C]
    typename Bottleneck::template Codes<S> codes{};
    typename ModelEncoder::template Saved<S> encoder{};
    typename Bottleneck::template Saved<S> bottleneck{};
    typename ModelDecoder::template Saved<S> decoder{};
    typename ModelEncoder::template Scratch<S> encoder_scratch{};
    typename Bottleneck::template Scratch<S> bottleneck_scratch{};
    typename ModelDecoder::template Scratch<S> decoder_scratch{};

    constexpr void visit(auto& v, Index batch, bool decoder_only) {
      v(latents, batch * T * config.latent_dim());
      if constexpr (config.has_codes()) v(decoder_input, batch * T * C);
      v(image, batch * config.image_values());
      v(dimage, batch * config.image_values());
      v(dz, batch * T * C);
      codes.template visit<B>(v);
      encoder.visit(v, batch, !decoder_only);
      bottleneck.visit(v, batch * T);
      decoder.visit(v, batch, true);
      decoder_scratch.template visit<B>(v, batch);
      if (decoder_only) return;
      encoder_scratch.template visit<B>(v, batch);
      bottleneck_scratch.visit(v, batch * T);
    }
  };

  static constexpr Index work_values(Index batch, bool decoder_only) {
    BufferCounter<S> counter;
    Work{}.visit(counter, batch, decoder_only);
    return counter.size;
  }
  static constexpr Index id_count(Index batch) { return config.has_codes() ? batch * T : 0; }

  Index batch_;
  bool decoder_only_;
  typename B::template Buffer<S> memory_;
  typename B::template Buffer<Token> ids_;
  View<const S> z_{};
  View<const S> code_vectors_{};  // what the decoder saw
  Work work_{};
};

}  // namespace tessera

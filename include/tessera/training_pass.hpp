// One forward and backward pass of a batch: the training loss, and the gradient of every parameter.
#pragma once

#include <tessera/model.hpp>
#include <tessera/reconstruction_loss.hpp>

namespace tessera {

/// reconstruction + codebook + commitment; the last one already times Config::commitment.
template <class A>
struct Losses {
  A reconstruction{};
  A codebook{};
  A commitment{};

  [[nodiscard]] A total() const { return reconstruction + codebook + commitment; }
};

/// How a pass computes its loss.
struct PassOptions {
  ReconstructionLoss reconstruction = ReconstructionLoss::l2;
  bool quantize = true;          ///< false: the decoder sees the latents themselves, and there is no codebook loss
  double codebook_weight = 1.0;  ///< 0 where the codebook is a moving average instead of a trained parameter
};

template <Config config, Backend B>
class TrainingPass {
  using S = typename B::Scalar;
  using A = typename B::Accumulator;
  using M = Model<config>;
  using ModelEncoder = typename M::ModelEncoder;
  using ModelDecoder = typename M::ModelDecoder;
  using ModelQuantizer = typename M::ModelQuantizer;
  static constexpr Index T = config.tokens();
  static constexpr Index C = config.code_dim;

 public:
  explicit TrainingPass(Index batch) : batch_(batch), memory_(work_values(batch)), ids_(batch * T) {
    BufferBinder<S> binder(memory_.view().data());
    work_.visit(binder, batch);
  }

  /// Bytes of activations and scratch for a batch.
  static constexpr std::size_t workspace_bytes(Index batch) {
    return static_cast<std::size_t>(work_values(batch)) * sizeof(S) +
           static_cast<std::size_t>(batch * T) * sizeof(Token);
  }

  /// input, target: [batch, channels, H, W] in the model's range; equal unless noise was added to the input.
  /// w: bound and packed weights.
  Losses<A> forward(const typename M::template Tensors<const S>& w, View<const S> input, View<const S> target,
                    const PassOptions& options) {
    ModelEncoder::template forward<B>(w.encoder, View<const S>(w.latent_tokens), batch_, input, work_.encoder,
                                      work_.latents);
    Losses<A> losses;
    View<const S> code_vectors;
    if (options.quantize) {
      ModelQuantizer::template prepare<B>(w.codebook, work_.codes);
      z_ = ModelQuantizer::template encode<B>(batch_ * T, View<const S>(work_.latents), work_.codes, work_.quantizer,
                                              ids_.view(), View<S>());
      ModelQuantizer::template decode<B>(batch_ * T, View<const Token>(ids_.view()), w.codebook, work_.codes,
                                         work_.quantizer);
      const QuantizerLoss<A> loss = B::quantizer_loss(z_, work_.quantizer.zq);
      losses.codebook = A(options.codebook_weight) * loss.codebook;
      losses.commitment = A(config.commitment) * loss.commitment;
      B::straight_through(z_, work_.quantizer.zq, work_.decoder_input);
      code_vectors = work_.decoder_input;
    } else {
      z_ = ModelQuantizer::template normalize<B>(batch_ * T, View<const S>(work_.latents), work_.quantizer);
      code_vectors = z_;
    }
    ModelDecoder::template forward<B>(w.decoder, batch_, code_vectors, work_.decoder, work_.image);
    losses.reconstruction = options.reconstruction == ReconstructionLoss::l2 ? B::squared_error(work_.image, target)
                                                                             : B::absolute_error(work_.image, target);
    return losses;
  }

  /// Adds weight * (the gradient of the last forward's loss) to d.
  void backward(const typename M::template Tensors<const S>& w, View<const S> target, const PassOptions& options,
                double weight, const typename M::template Tensors<S>& d) {
    if (options.reconstruction == ReconstructionLoss::l2) {
      B::squared_error_backward(work_.image, target, weight, work_.dimage);
    } else {
      B::absolute_error_backward(work_.image, target, weight, work_.dimage);
    }
    const View<const S> code_vectors = options.quantize ? View<const S>(work_.decoder_input) : z_;
    ModelDecoder::template backward<B>(w.decoder, batch_, code_vectors, work_.decoder, View<const S>(work_.dimage),
                                       work_.dz, work_.decoder_scratch, d.decoder);
    if (options.quantize) {
      ModelQuantizer::template backward<B>(batch_ * T, z_, View<const Token>(ids_.view()), work_.codes, work_.quantizer,
                                           {weight * options.codebook_weight, weight * config.commitment}, work_.dz,
                                           work_.quantizer_scratch, d.codebook);
    } else {
      ModelQuantizer::template normalize_backward<B>(batch_ * T, work_.quantizer, work_.dz, work_.quantizer_scratch);
    }
    ModelEncoder::template backward<B>(w.encoder, batch_, work_.encoder, View<const S>(work_.dz), work_.encoder_scratch,
                                       d.encoder, d.latent_tokens);
  }

  /// Of the last forward: the latents as they were compared with the codes, [batch * T, C].
  [[nodiscard]] View<const S> z() const { return z_; }
  /// Of the last quantized forward: [batch * T].
  [[nodiscard]] View<const Token> ids() const { return ids_.view(); }

 private:
  struct Work {
    View<S> latents{};        // [B, T, C]
    View<S> decoder_input{};  // [B, T, C]
    View<S> image{};          // [B, channels, H, W]
    View<S> dimage{};         // [B, channels, H, W]
    View<S> dz{};             // [B, T, C]
    typename ModelQuantizer::template Codes<S> codes{};
    typename ModelEncoder::template Saved<S> encoder{};
    typename ModelQuantizer::template Saved<S> quantizer{};
    typename ModelDecoder::template Saved<S> decoder{};
    typename ModelEncoder::template Scratch<S> encoder_scratch{};
    typename ModelQuantizer::template Scratch<S> quantizer_scratch{};
    typename ModelDecoder::template Scratch<S> decoder_scratch{};

    constexpr void visit(auto& v, Index batch) {
      v(latents, batch * T * C);
      v(decoder_input, batch * T * C);
      v(image, batch * config.image_values());
      v(dimage, batch * config.image_values());
      v(dz, batch * T * C);
      codes.template visit<B>(v);
      encoder.visit(v, batch, true);
      quantizer.visit(v, batch * T);
      decoder.visit(v, batch, true);
      encoder_scratch.template visit<B>(v, batch);
      quantizer_scratch.visit(v, batch * T);
      decoder_scratch.template visit<B>(v, batch);
    }
  };

  static constexpr Index work_values(Index batch) {
    BufferCounter counter;
    Work{}.visit(counter, batch);
    return counter.size;
  }

  Index batch_;
  typename B::template Buffer<S> memory_;
  typename B::template Buffer<Token> ids_;
  View<const S> z_{};
  Work work_{};
};

}  // namespace tessera

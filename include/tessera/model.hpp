// All parameters of a tokenizer as one contiguous vector, and the views of its layers into it.
#pragma once

#include <string_view>
#include <vector>

#include <tessera/core/layout.hpp>
#include <tessera/nn/decoder.hpp>
#include <tessera/nn/encoder.hpp>
#include <tessera/vq/quantizer.hpp>

namespace tessera {

template <Config config>
struct Model : CheckedConfig<config> {
  using ModelEncoder = Encoder<config>;
  using ModelDecoder = Decoder<config>;
  using ModelQuantizer = Quantizer<config.codebook_size, config.code_dim, config.metric>;

  /// The codebook's state-dict name: the reference implementation and TiTok differ.
  static constexpr std::string_view codebook_name = config.latent_tokens > 0 && !config.class_token
                                                        ? "quantizer.embedding_table.weight"
                                                        : "quantize.embedding.weight";

  /// Views of every parameter: of weights (T = const float), of gradients, of moments, ...
  template <class T>
  struct Tensors {
    typename ModelEncoder::template Tensors<T> encoder{};
    typename ModelDecoder::template Tensors<T> decoder{};
    View<T> latent_tokens{};  // [T, D of the encoder]; empty in the patch family
    View<T> codebook{};       // [K, code_dim]

    constexpr void visit(auto& v) {
      v.nested("encoder", encoder);
      v.nested("decoder", decoder);
      if constexpr (config.latent_tokens > 0) {
        v.tensor("latent_tokens", latent_tokens, {config.latent_tokens, config.encoder.dim});
      }
      v.tensor(codebook_name, codebook, {config.codebook_size, config.code_dim});
    }
    void visit_packed(auto& v) {
      encoder.visit_packed(v);
      decoder.visit_packed(v);
    }
  };
};

/// Names, shapes and offsets of a model's parameters in its one buffer.
template <Config config>
struct ParameterTable {
  static constexpr ParameterCounter count() {
    ParameterCounter counter;
    typename Model<config>::template Tensors<const float> tensors;
    tensors.visit(counter);
    return counter;
  }
  static constexpr Index size = count().size;      ///< values of the buffer: parameters and padding
  static constexpr Index values = count().values;  ///< parameters

  /// In the order of the buffer.
  static const std::vector<Parameter>& parameters() {
    static const std::vector<Parameter> list = [] {
      ParameterLister lister;
      typename Model<config>::template Tensors<const float> tensors;
      tensors.visit(lister);
      return std::move(lister.parameters);
    }();
    return list;
  }

  /// The layers' views into a buffer of `size` values.
  template <class T>
  static typename Model<config>::template Tensors<T> bind(View<T> buffer) {
    ParameterBinder<T> binder(buffer.data());
    typename Model<config>::template Tensors<T> tensors;
    tensors.visit(binder);
    return tensors;
  }
};

/// The weights of every linear layer in the backend's own order, and the memory that they lie in.
template <Backend B>
class PackedWeights {
  using S = typename B::Scalar;

 public:
  PackedWeights() = default;

  /// Gives each linear layer of `tensors` its place; `training` adds the order that dx = dy W reads.
  template <class Tensors>
  PackedWeights(Tensors& tensors, bool training) : training_(training) {
    Index size = 0;
    auto count = [&]<Index In, Index Out>(Shape<In, Out> dims, View<const S>, PackedWeight<S>&) {
      size += padded(B::packed_weight_size(dims)) * (training_ ? 2 : 1);
    };
    tensors.visit_packed(count);
    buffer_ = typename B::template Buffer<S>(size);
    BufferBinder<S> place(buffer_.view().data());
    auto bind = [&]<Index In, Index Out>(Shape<In, Out> dims, View<const S>, PackedWeight<S>& packed) {
      place(packed.forward, B::packed_weight_size(dims));
      if (training_) place(packed.backward, B::packed_weight_size(dims));
    };
    tensors.visit_packed(bind);
  }

  /// Packs the weights anew: once after load, or after each optimizer step.
  template <class Tensors>
  static void pack(Tensors& tensors) {
    auto pack = []<Index In, Index Out>(Shape<In, Out> dims, View<const S> weight, PackedWeight<S>& packed) {
      B::pack_weight(dims, weight, packed.forward);
      if (!packed.backward.empty()) B::pack_weight_transposed(dims, weight, packed.backward);
    };
    tensors.visit_packed(pack);
  }

 private:
  typename B::template Buffer<S> buffer_{};
  bool training_ = false;
};

}  // namespace tessera

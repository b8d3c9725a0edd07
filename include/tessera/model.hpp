// All parameters of a tokenizer as one contiguous vector, and the views of its layers into it.
#pragma once

#include <string_view>
#include <type_traits>
#include <vector>

#include <tessera/core/layout.hpp>
#include <tessera/nn/decoder.hpp>
#include <tessera/nn/encoder.hpp>
#include <tessera/vq/posterior.hpp>
#include <tessera/vq/quantizer.hpp>

namespace tessera {

template <Config config>
struct Model : CheckedConfig<config> {
  using ModelEncoder = Encoder<config>;
  using ModelDecoder = Decoder<config>;
  /// What stands between them.
  using Bottleneck =
      std::conditional_t<config.has_codes(), Quantizer<config.codebook_size, config.code_dim, config.metric>,
                         Posterior<config.code_dim>>;

  /// The codebook's state-dict name: the reference implementation and TiTok differ.
  static constexpr std::string_view codebook_name = config.latent_tokens > 0 && !config.class_token
                                                        ? "quantizer.embedding_table.weight"
                                                        : "quantize.embedding.weight";

  /// Whether a parameter belongs to what makes images from tokens.
  static constexpr bool decodes(std::string_view name) {
    return name.starts_with("decoder.") || name.starts_with("pixel_");
  }

  /// Views of every parameter: of weights (T = const float), of gradients, of moments, ...
  template <class T>
  struct Tensors {
    typename ModelEncoder::template Tensors<T> encoder{};
    typename ModelDecoder::template Tensors<T> decoder{};
    View<T> latent_tokens{};  // [T, D of the encoder]; empty in the patch family
    View<T> codebook{};       // [K, code_dim]; empty where latents are continuous

    constexpr void visit(auto& v) {
      v.nested("encoder", encoder);
      v.nested("decoder", decoder);
      if constexpr (config.latent_tokens > 0) {
        v.tensor("latent_tokens", latent_tokens, {config.latent_tokens, config.encoder.dim});
      }
      if constexpr (config.has_codes()) v.tensor(codebook_name, codebook, {config.codebook_size, config.code_dim});
      if constexpr (config.has_pixel_decoder()) decoder.head.visit_beside(v);
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

}  // namespace tessera

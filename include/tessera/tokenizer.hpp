// Tokenizer: image -> tokens -> image, with every size known to the compiler.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include <tessera/backend/cpu/cpu.hpp>
#include <tessera/core/error.hpp>
#include <tessera/core/xtensor.hpp>
#include <tessera/io/model_file.hpp>
#include <tessera/model.hpp>
#include <tessera/nn/initialize.hpp>

namespace tessera {

/// Encodes and decodes. After construction neither allocates memory, locks, nor throws, apart from the results that are
/// returned as xtensor arrays. One tokenizer serves one thread at a time: it owns its work memory.
template <Config config, Backend B = cpu>
class Tokenizer {
  using S = typename B::Scalar;
  using M = Model<config>;
  using Table = ParameterTable<config>;
  using ModelEncoder = typename M::ModelEncoder;
  using ModelDecoder = typename M::ModelDecoder;
  using ModelQuantizer = typename M::ModelQuantizer;

 public:
  static constexpr Config configuration = config;
  static constexpr Index tokens = config.tokens();
  static constexpr Index latent_values = config.tokens() * config.code_dim;
  static constexpr Index image_values = config.image_values();
  using Tokens = std::array<Token, static_cast<std::size_t>(config.tokens())>;

  /// Images that one pass computes: enough rows to fill the matrix kernels.
  static constexpr Index default_batch = std::max<Index>(1, 256 / config.sequence());

  /// parameters: ParameterTable<config>::size values in its order. batch: images that one pass computes, at least 1;
  /// longer arguments run in passes. Throws Error(bad_argument) for other sizes.
  explicit Tokenizer(View<const float> parameters, Index batch = default_batch)
      : batch_((check_sizes(parameters.size(), batch), batch)),
        parameters_(Table::size),
        work_(work_values(batch)),
        ids_(batch * tokens) {
    B::upload(parameters, parameters_.view());
    tensors_ = Table::bind(View<const S>(parameters_.view()));
    packed_ = PackedWeights<B>(tensors_, false);
    PackedWeights<B>::pack(tensors_);
    bind_work();
    ModelQuantizer::template prepare<B>(tensors_.codebook, codes_);
  }

  /// Random weights: for tests and benchmarks.
  static Tokenizer random(std::uint64_t seed, Index batch = default_batch) {
    AlignedBuffer<float> parameters(Table::size);
    initialize(Table::parameters(), parameters.view(), seed);
    return Tokenizer(std::as_const(parameters).view(), batch);
  }

  /// A .safetensors file, or a folder that holds model.safetensors.
  /// Throws Error: file_access, bad_file, or mismatch with every tensor that does not fit.
  static Tokenizer load(const std::filesystem::path& path, Index batch = default_batch) {
    AlignedBuffer<float> parameters(Table::size);
    load_parameters(path, config, Table::parameters(), parameters.view());
    return Tokenizer(std::as_const(parameters).view(), batch);
  }

  /// Writes the weights and the Config; the file loads without being told which. Throws Error: file_access.
  void save(const std::filesystem::path& path) const {
    AlignedBuffer<float> parameters(Table::size);
    B::download(parameters_.view(), parameters.view());
    save_parameters(path, config, Table::parameters(), std::as_const(parameters).view());
  }

  /// Bytes of work memory that a tokenizer of this batch owns, beside the weights.
  static constexpr std::size_t workspace_bytes(Index batch = default_batch) {
    return static_cast<std::size_t>(work_values(batch)) * sizeof(S) +
           static_cast<std::size_t>(batch * tokens) * sizeof(Token);
  }

  // --- Views of the caller's memory. Sizes are whole numbers of images. ---

  /// images [B, C, H, W] in the model's range -> ids [B, T]. margins ([B, T], or empty): the squared distance of the
  /// second-nearest code minus that of the nearest; a small one says that another float could choose otherwise.
  void encode(View<const float> images, View<Token> ids, View<float> margins = {}) {
    for_each_pass(images, image_values, [&](Index done, Index count) {
      encode_latents(slice(images, done * image_values, count * image_values), count);
      ModelQuantizer::template encode<B>(count * tokens, View<const S>(encode_.latents), codes_, encode_.quantizer,
                                         ids_.view(), margins.empty() ? View<S>() : encode_.margins);
      B::download_tokens(first(View<const Token>(ids_.view()), count * tokens),
                         slice(ids, done * tokens, count * tokens));
      if (!margins.empty()) {
        B::download(first(View<const S>(encode_.margins), count * tokens),
                    slice(margins, done * tokens, count * tokens));
      }
    });
  }

  /// images [B, C, H, W] -> latents [B, T, code_dim] before quantization (cosine: before normalization).
  void latents(View<const float> images, View<float> latents) {
    for_each_pass(images, image_values, [&](Index done, Index count) {
      encode_latents(slice(images, done * image_values, count * image_values), count);
      B::download(first(View<const S>(encode_.latents), count * latent_values),
                  slice(latents, done * latent_values, count * latent_values));
    });
  }

  /// ids [B, T], each in [0, codebook_size) -> images [B, C, H, W], not clamped to the model's range.
  void decode(View<const Token> ids, View<float> images) {
    for_each_pass(ids, tokens, [&](Index done, Index count) {
      B::upload_tokens(slice(ids, done * tokens, count * tokens), ids_.view());
      ModelQuantizer::template decode<B>(count * tokens, View<const Token>(ids_.view()), tensors_.codebook, codes_,
                                         decode_.quantizer);
      ModelDecoder::template forward<B>(tensors_.decoder, count, View<const S>(decode_.quantizer.zq), decode_.decoder,
                                        decode_.image);
      B::download(first(View<const S>(decode_.image), count * image_values),
                  slice(images, done * image_values, count * image_values));
    });
  }

  // --- xtensor expressions. Errors: mismatch when the shape is not the model's. ---

  /// image: any expression [C, H, W] -> Tokens; [B, C, H, W] -> tensor [B, T].
  template <class Expression>
  auto encode(const xt::xexpression<Expression>& images) {
    constexpr std::size_t rank = rank_of<Expression>;
    static_assert(rank == 3 || rank == 4, "Tokenizer::encode takes [C, H, W] or [B, C, H, W] with a static rank.");
    const xt::xtensor<float, rank> values = images.derived_cast();
    check_image_shape(values.shape());
    const View<const float> view(values.data(), values.size());
    if constexpr (rank == 3) {
      Tokens ids;
      encode(view, View<Token>(ids));
      return ids;
    } else {
      xt::xtensor<Token, 2> ids(std::array<std::size_t, 2>{values.shape()[0], static_cast<std::size_t>(tokens)});
      encode(view, View<Token>(ids.data(), ids.size()));
      return ids;
    }
  }

  /// Tokens -> image [C, H, W], not clamped. Errors: bad_argument when an id is outside the codebook.
  Image decode(const Tokens& ids) {
    check_ids(ids);
    Image image(std::array<std::size_t, 3>{channels, height, width});
    decode(View<const Token>(ids), View<float>(image.data(), image.size()));
    return image;
  }

  /// ids [B, T] -> images [B, C, H, W], not clamped. Errors: bad_argument when an id is outside the codebook.
  xt::xtensor<float, 4> decode(const xt::xtensor<Token, 2>& ids) {
    const View<const Token> view(ids.data(), ids.size());
    if (ids.shape()[1] != static_cast<std::size_t>(tokens)) {
      throw Error(ErrorCode::mismatch, "Tokenizer::decode", std::to_string(ids.shape()[1]) + " tokens an image",
                  std::to_string(tokens));
    }
    check_ids(view);
    xt::xtensor<float, 4> images(std::array<std::size_t, 4>{ids.shape()[0], channels, height, width});
    decode(view, View<float>(images.data(), images.size()));
    return images;
  }

  /// decode(encode(image)).
  template <class Expression>
  auto reconstruct(const xt::xexpression<Expression>& images) {
    return decode(encode(images));
  }

 private:
  static constexpr std::size_t channels = static_cast<std::size_t>(config.channels);
  static constexpr std::size_t height = static_cast<std::size_t>(config.image.height);
  static constexpr std::size_t width = static_cast<std::size_t>(config.image.width);

  struct EncodeWork {
    View<S> image{};    // [B, C, H, W]
    View<S> latents{};  // [B, T, code_dim]
    View<S> margins{};  // [B, T]
    typename ModelEncoder::template Saved<S> encoder{};
    typename ModelQuantizer::template Saved<S> quantizer{};

    constexpr void visit(auto& v, Index batch) {
      v(image, batch * image_values);
      v(latents, batch * latent_values);
      v(margins, batch * tokens);
      encoder.visit(v, batch, false);
      quantizer.visit(v, batch * tokens);
    }
  };
  struct DecodeWork {
    View<S> image{};  // [B, C, H, W]
    typename ModelDecoder::template Saved<S> decoder{};
    typename ModelQuantizer::template Saved<S> quantizer{};

    constexpr void visit(auto& v, Index batch) {
      v(image, batch * image_values);
      decoder.visit(v, batch, false);
      quantizer.visit(v, batch * tokens);
    }
  };

  /// The codes' memory, then encode's and decode's, which take turns in the rest.
  static constexpr Index work_values(Index batch) {
    BufferCounter codes, encode, decode;
    typename ModelQuantizer::template Codes<S>{}.template visit<B>(codes);
    EncodeWork{}.visit(encode, batch);
    DecodeWork{}.visit(decode, batch);
    return codes.size + std::max(encode.size, decode.size);
  }

  void bind_work() {
    BufferBinder<S> binder(work_.view().data());
    codes_.template visit<B>(binder);
    BufferBinder<S> encode_binder = binder;
    encode_.visit(encode_binder, batch_);
    decode_.visit(binder, batch_);
  }

  void encode_latents(View<const float> images, Index count) {
    B::upload(images, encode_.image);
    ModelEncoder::template forward<B>(tensors_.encoder, View<const S>(tensors_.latent_tokens), count,
                                      View<const S>(encode_.image), encode_.encoder, encode_.latents);
  }

  /// Calls pass(images done, images of this pass) until the whole argument, `values` an image, is done.
  template <class T, class Pass>
  void for_each_pass(View<T> argument, Index values, Pass&& pass) {
    const Index images = static_cast<Index>(argument.size()) / values;
    for (Index done = 0; done < images; done += batch_) pass(done, std::min(batch_, images - done));
  }

  static void check_sizes(std::size_t parameters, Index batch) {
    if (parameters != static_cast<std::size_t>(Table::size)) {
      throw Error(ErrorCode::bad_argument, "Tokenizer", std::to_string(parameters) + " parameters",
                  std::to_string(Table::size));
    }
    if (batch < 1) throw Error(ErrorCode::bad_argument, "Tokenizer", "batch " + std::to_string(batch), "at least 1");
  }

  static void check_image_shape(const auto& shape) {
    const std::array<std::size_t, 3> expected{channels, height, width};
    if (std::equal(expected.begin(), expected.end(), shape.end() - 3)) return;
    const auto text = [](auto begin, auto end) {
      std::string s = "[";
      for (auto it = begin; it != end; ++it) s += (it == begin ? "" : ", ") + std::to_string(*it);
      return s + "]";
    };
    throw Error(ErrorCode::mismatch, "Tokenizer::encode", "an image of shape " + text(shape.end() - 3, shape.end()),
                text(expected.begin(), expected.end()) + " (channels, height, width)");
  }

  static void check_ids(View<const Token> ids) {
    for (const Token id : ids) {
      if (id < 0 || id >= config.codebook_size) {
        throw Error(ErrorCode::bad_argument, "Tokenizer::decode", "token " + std::to_string(id),
                    "ids from 0 to " + std::to_string(config.codebook_size - 1));
      }
    }
  }

  Index batch_;
  typename B::template Buffer<S> parameters_;
  typename M::template Tensors<const S> tensors_{};
  PackedWeights<B> packed_{};
  typename B::template Buffer<S> work_;
  typename B::template Buffer<Token> ids_;
  typename ModelQuantizer::template Codes<S> codes_{};
  EncodeWork encode_{};
  DecodeWork decode_{};
};

}  // namespace tessera

// Tokenizer: image -> tokens -> image, with every size known to the compiler. A token is an id, or code_dim values
// where Config::quantize_mode is vae.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>

#include <tessera/backend/cpu/cpu.hpp>
#include <tessera/core/error.hpp>
#include <tessera/core/finite.hpp>
#include <tessera/core/xtensor.hpp>
#include <tessera/io/model_file.hpp>
#include <tessera/model.hpp>
#include <tessera/nn/forward_weights.hpp>
#include <tessera/nn/initialize.hpp>

namespace tessera {

/// Encodes and decodes. After construction neither allocates memory, locks, nor throws, apart from the results that are
/// returned as xtensor arrays and from arguments that are refused: of other sizes, ids outside the codebook, NaN and
/// infinity. These are checked before anything is computed or written. One tokenizer serves one thread at a time: it
/// owns its work memory. (On Linux the system hands that out where it is first used: who only encodes pays nothing for
/// decode's.) A backend on a GPU may throw and allocate all the same: backend/thrust/cuda.hpp.
template <Config config, Backend B = cpu>
class Tokenizer {
  using S = typename B::Scalar;
  using M = Model<config>;
  using Table = ParameterTable<config>;
  using ModelEncoder = typename M::ModelEncoder;
  using ModelDecoder = typename M::ModelDecoder;
  using Bottleneck = typename M::Bottleneck;
  static constexpr std::size_t token_rank = config.has_codes() ? 1 : 2;  // dimensions of one image's tokens

 public:
  static constexpr Config configuration = config;
  static constexpr Index tokens = config.tokens();
  static constexpr Index latent_values = config.tokens() * config.code_dim;
  static constexpr Index posterior_values = 2 * latent_values;
  static constexpr Index image_values = config.image_values();
  static constexpr Index text_values = config.text_values();
  using Tokens = std::array<Token, static_cast<std::size_t>(config.tokens())>;

  /// Images that one pass computes: enough rows to fill the matrix kernels.
  static constexpr Index default_batch = std::max<Index>(1, 256 / config.sequence());

  /// parameters: ParameterTable<config>::size values in its order. batch: images that one pass computes, at least 1;
  /// longer arguments run in passes. Throws Error(bad_argument) for other sizes, NaN and infinity.
  explicit Tokenizer(View<const float> parameters, Index batch = default_batch)
      : Tokenizer(table_source(parameters), batch) {}

  /// Takes every parameter from `source`, each once and in order, so that nobody needs memory for all of them beside
  /// the tokenizer's. Throws Error(bad_argument) as above.
  explicit Tokenizer(const ParameterSource& source, Index batch = default_batch)
      : batch_((check_batch(batch), batch)),
        weights_(tensors_, Table::parameters(), source),
        work_(std::max(encode_values(batch), decode_values(batch))),
        ids_(id_count(batch)) {
    bind_work();
    if constexpr (config.has_codes()) Bottleneck::template prepare<B>(tensors_.codebook, codes_);
    transfers_.wait();
  }

  /// Random weights: for tests and benchmarks.
  static Tokenizer random(std::uint64_t seed, Index batch = default_batch) {
    AlignedBuffer<float> parameters(Table::size);
    initialize(Table::parameters(), parameters.view(), seed);
    return Tokenizer(std::as_const(parameters).view(), batch);
  }

  /// A .safetensors file, or a folder that holds model.safetensors or its shards and their index.
  /// Throws Error: file_access, bad_file, or mismatch with every tensor that does not fit.
  static Tokenizer load(const std::filesystem::path& path, Index batch = default_batch) {
    ModelSource source(path, config, Table::parameters());
    return Tokenizer(std::ref(source), batch);
  }
  /// With Verify::yes, throws Error(mismatch) too if the image that the file carries does not have the tokens that it
  /// had where it was saved (io/self_check.hpp), or the file carries none.
  static Tokenizer load(const std::filesystem::path& path, Verify verify, Index batch = default_batch) {
    Tokenizer tokenizer = load(path, batch);
    if (verify == Verify::yes) {
      verify_model_file(path, config, [&](auto... views) { tokenizer.encode_either(views...); });
    }
    return tokenizer;
  }

  /// Writes the weights and the Config, so that the file loads without being told which, and an image with its tokens.
  /// Throws Error: file_access, or bad_argument where a weight is infinite in the backend's format.
  void save(const std::filesystem::path& path) {
    AlignedBuffer<float> parameters(Table::size);
    ForwardWeights<B>::copy(tensors_, Table::parameters(), parameters.view());
    save_parameters(path, config, Table::parameters(), std::as_const(parameters).view(), self_check());
  }

  /// An image with its tokens, as a model's file carries them.
  [[nodiscard]] SelfCheck self_check() {
    return make_self_check(config, [this](auto... views) { encode_either(views...); });
  }

  /// Bytes of the weights that a tokenizer owns, each once.
  static std::size_t weight_bytes() { return ForwardWeights<B>::bytes(typename M::template Tensors<const S>{}); }
  /// Bytes of work memory that a tokenizer of this batch owns, beside the weights; and of those, what encode and what
  /// decode use.
  static constexpr std::size_t workspace_bytes(Index batch = default_batch) {
    return std::max(encode_bytes(batch), decode_bytes(batch));
  }
  static constexpr std::size_t encode_bytes(Index batch = default_batch) {
    return bytes_of_work(batch, encode_values(batch));
  }
  static constexpr std::size_t decode_bytes(Index batch = default_batch) {
    return bytes_of_work(batch, decode_values(batch));
  }

  // --- Views of the caller's memory. Throw Error(bad_argument) where a view has another size than its shape for the
  // images of the first argument, a number is NaN or infinite, or an id is outside the codebook. ---

  /// images [B, C, H, W] in the model's range -> ids [B, T]. margins ([B, T], or empty): the squared distance of the
  /// second-nearest code minus that of the nearest; a small one says that another float could choose otherwise.
  void encode(View<const float> images, View<Token> ids, View<float> margins = {}) {
    static_assert(config.has_codes(),
                  "Tokenizer::encode: this model's tokens are continuous; give a View<float> of [B, T, code_dim].");
    const Index all = check_images("Tokenizer::encode", images);
    check_count("Tokenizer::encode", "ids", ids.size(), all * tokens);
    if (!margins.empty()) check_count("Tokenizer::encode", "margins", margins.size(), all * tokens);
    for_each_pass(all, [&](Index done, Index count) {
      upload(images, image_values, done, count, encode_.image);
      replay_.run(key(margins.empty() ? Pass::ids : Pass::margins, count), [&] {
        encode_latents(count);
        Bottleneck::template encode<B>(count * tokens, View<const S>(encode_.latents), codes_, encode_.bottleneck,
                                       ids_.view(), margins.empty() ? View<Wide<S>>() : encode_.margins);
      });
      download(View<const Token>(ids_.view()), tokens, done, count, ids);
      if (!margins.empty()) download(View<const Wide<S>>(encode_.margins), tokens, done, count, margins);
    });
  }

  /// images [B, C, H, W] -> continuous tokens [B, T, code_dim]: the means, or, given noise [B, T, code_dim] of standard
  /// normal numbers, draws: mean + deviation * noise.
  void encode(View<const float> images, View<float> latents, View<const float> noise = {}) {
    static_assert(!config.has_codes(),
                  "Tokenizer::encode: this model's tokens are ids; give a View<Token>, or call latents().");
    const Index all = check_images("Tokenizer::encode", images);
    check_count("Tokenizer::encode", "values of latents", latents.size(), all * latent_values);
    if (!noise.empty()) check_part("Tokenizer::encode", "noise", noise, all, latent_values);
    for_each_pass(all, [&](Index done, Index count) {
      upload(images, image_values, done, count, encode_.image);
      if (!noise.empty()) upload(noise, latent_values, done, count, encode_.noise);
      replay_.run(key(noise.empty() ? Pass::means : Pass::draws, count), [&] {
        encode_latents(count);
        Bottleneck::template sample<B>(count * tokens, View<const S>(encode_.latents),
                                       noise.empty() ? View<const S>() : View<const S>(encode_.noise),
                                       encode_.bottleneck);
      });
      download(View<const S>(encode_.bottleneck.z), latent_values, done, count, latents);
    });
  }

  /// images [B, C, H, W] -> latents [B, T, code_dim] before quantization (cosine: before normalization).
  void latents(View<const float> images, View<float> latents) {
    static_assert(config.has_codes(), "Tokenizer::latents: this model's tokens are continuous; call encode().");
    encode_to("Tokenizer::latents", images, "values of latents", latent_values, latents);
  }

  /// images [B, C, H, W] -> parameters [B, T, 2 code_dim] of the Gaussians that encode() draws from: the means of a
  /// token, then the logarithms of its variances, which drawing clamps to [-30, 20].
  void posterior(View<const float> images, View<float> parameters) {
    static_assert(!config.has_codes(), "Tokenizer::posterior: this model's tokens are ids; call latents().");
    encode_to("Tokenizer::posterior", images, "parameters", posterior_values, parameters);
  }

  /// ids [B, T], each in [0, codebook_size) -> images [B, C, H, W], not clamped to the model's range. text: the
  /// embeddings [B, length, width] that a text-aware decoder sees.
  void decode(View<const Token> ids, View<float> images, View<const float> text = {}) {
    static_assert(config.has_codes(),
                  "Tokenizer::decode: this model's tokens are continuous; give a View<const float>, not ids.");
    const Index all = count_images("Tokenizer::decode", "ids", ids.size(), tokens);
    check_ids(ids);
    check_decode(all, text, images);
    for_each_pass(all, [&](Index done, Index count) {
      upload(ids, tokens, done, count, ids_.view());
      if constexpr (config.has_text()) upload(text, text_values, done, count, decode_.text);
      replay_.run(key(Pass::decode, count), [&] {
        Bottleneck::template decode<B>(count * tokens, View<const Token>(ids_.view()), tensors_.codebook, codes_,
                                       decode_.bottleneck);
        decode_vectors(count, View<const S>(decode_.bottleneck.zq));
      });
      download(View<const S>(decode_.image), image_values, done, count, images);
    });
  }

  /// latents [B, T, code_dim], continuous tokens -> images [B, C, H, W], as above.
  void decode(View<const float> latents, View<float> images, View<const float> text = {}) {
    static_assert(!config.has_codes(),
                  "Tokenizer::decode: this model's tokens are ids; give a View<const Token>, not latents.");
    const Index all = count_images("Tokenizer::decode", "values of latents", latents.size(), latent_values);
    check_finite_images("Tokenizer::decode", "the latents of ", latents, latent_values);
    check_decode(all, text, images);
    for_each_pass(all, [&](Index done, Index count) {
      upload(latents, latent_values, done, count, decode_.bottleneck.z);
      if constexpr (config.has_text()) upload(text, text_values, done, count, decode_.text);
      replay_.run(key(Pass::decode, count), [&] { decode_vectors(count, View<const S>(decode_.bottleneck.z)); });
      download(View<const S>(decode_.image), image_values, done, count, images);
    });
  }

  // --- xtensor expressions, of one image or with one dimension more of a batch. Errors: mismatch when the shape is not
  // the model's, bad_argument as above. ---

  /// image: any expression of floating-point numbers [C, H, W] -> Tokens, or a tensor [T, code_dim] where they are
  /// continuous; [B, C, H, W] -> a tensor [B, T] or [B, T, code_dim].
  template <class Expression>
  auto encode(const xt::xexpression<Expression>& images) {
    const auto values = checked_images(images);
    if constexpr (!config.has_codes()) {
      return encode_continuous(values, View<const float>());
    } else if constexpr (rank_of<Expression> == 3) {
      Tokens ids;
      encode(view_of(values), View<Token>(ids));
      return ids;
    } else {
      auto ids = new_tensor<Token, 2>(values.shape()[0], token_shape);
      encode(view_of(values), View<Token>(ids.data(), ids.size()));
      return ids;
    }
  }

  /// Draws continuous tokens: noise [T, code_dim] or [B, T, code_dim], standard normal numbers.
  template <class Expression>
  auto encode(const xt::xexpression<Expression>& images,
              const xt::xtensor<float, (rank_of<Expression> == 4 ? 3 : 2)>& noise) {
    static_assert(!config.has_codes(), "Tokenizer::encode: this model's tokens are ids; no noise draws them.");
    const auto values = checked_images(images);
    check_part("Tokenizer::encode", "noise", view_of(noise), std::ssize(values) / image_values, latent_values);
    return encode_continuous(values, view_of(noise));
  }

  /// Tokens -> image [C, H, W], not clamped; text [length, width] where the decoder sees one.
  Image decode(const Tokens& ids, const xt::xtensor<float, 2>& text = {}) {
    Image image(image_shape);
    decode(View<const Token>(ids), View<float>(image.data(), image.size()), view_of(text));
    return image;
  }

  /// Expressions: ids [B, T] or continuous tokens [B, T, code_dim], text [B, length, width] -> images [B, C, H, W];
  /// continuous tokens [T, code_dim], text [length, width] -> image [C, H, W].
  template <class Expression>
  auto decode(const xt::xexpression<Expression>& codes,
              const xt::xtensor<float, rank_of<Expression> + 2 - token_rank>& text = {}) {
    constexpr std::size_t rank = rank_of<Expression>;
    using Value = std::conditional_t<std::is_integral_v<typename std::decay_t<Expression>::value_type>, Token, float>;
    static_assert(std::is_same_v<Value, Token> == config.has_codes(),
                  "Tokenizer::decode takes integers where this model's tokens are ids, else floating-point numbers.");
    static_assert(rank == token_rank || rank == token_rank + 1,
                  "Tokenizer::decode takes the tokens of one image or of a batch, with a static rank.");
    const xt::xtensor<Value, rank> values = codes.derived_cast();
    check_shape("Tokenizer::decode", "tokens", values.shape(), token_shape,
                config.has_codes() ? "(tokens)" : "(tokens, code_dim)");
    auto images = new_tensor<float, rank + 3 - token_rank>(values.shape()[0], image_shape);
    decode(view_of(values), View<float>(images.data(), images.size()), view_of(text));
    return images;
  }

  /// decode(encode(image), text).
  template <class Expression>
  auto reconstruct(const xt::xexpression<Expression>& images,
                   const xt::xtensor<float, (rank_of<Expression> == 4 ? 3 : 2)>& text = {}) {
    return decode(encode(images), text);
  }

 private:
  static constexpr std::size_t size_of(Index size) { return static_cast<std::size_t>(size); }
  static constexpr std::array<std::size_t, 3> image_shape{size_of(config.channels), size_of(config.image.height),
                                                          size_of(config.image.width)};
  /// Of one image's tokens, as an expression holds them.
  static constexpr auto token_shape = [] {
    if constexpr (config.has_codes())
      return std::array{size_of(tokens)};
    else
      return std::array{size_of(tokens), size_of(config.code_dim)};
  }();

  struct EncodeWork {
    View<S> image{};          // [B, C, H, W]
    View<S> latents{};        // [B, T, latent_dim()]
    View<Wide<S>> margins{};  // [B, T]; of ids
    View<S> noise{};          // [B, T, code_dim]; of continuous tokens
    typename ModelEncoder::template Saved<S> encoder{};
    typename Bottleneck::template Saved<S> bottleneck{};

    constexpr void visit(auto& v, Index batch) {
      v(image, batch * image_values);
      v(latents, batch * tokens * config.latent_dim());
      if constexpr (config.has_codes()) v(margins, batch * tokens);
      if constexpr (!config.has_codes()) v(noise, batch * latent_values);
      encoder.visit(v, batch, false);
      bottleneck.visit(v, batch * tokens);
    }
  };
  struct DecodeWork {
    View<S> image{};  // [B, C, H, W]
    View<S> text{};   // [B, length, width]
    typename ModelDecoder::template Saved<S> decoder{};
    typename Bottleneck::template Saved<S> bottleneck{};

    constexpr void visit(auto& v, Index batch) {
      v(image, batch * image_values);
      v(text, batch * text_values);
      decoder.visit(v, batch, false);
      bottleneck.visit(v, batch * tokens);
    }
  };

  static constexpr Index encode_values(Index batch) {
    BufferCounter<S> counter;
    typename Bottleneck::template Codes<S>{}.template visit<B>(counter);
    EncodeWork{}.visit(counter, batch);
    return counter.size;
  }
  static constexpr Index decode_values(Index batch) {
    BufferCounter<S> counter;
    typename Bottleneck::template Codes<S>{}.template visit<B>(counter);
    DecodeWork{}.visit(counter, batch);
    return counter.size;
  }
  static constexpr Index id_count(Index batch) { return config.has_codes() ? batch * tokens : 0; }
  static constexpr std::size_t bytes_of_work(Index batch, Index values) {
    return size_of(values) * sizeof(S) + size_of(id_count(batch)) * sizeof(Token);
  }

  /// The codes' memory, then encode's and decode's, which take turns in the rest.
  void bind_work() {
    BufferBinder<S> binder(work_.view().data());
    codes_.template visit<B>(binder);
    BufferBinder<S> encode_binder = binder;
    encode_.visit(encode_binder, batch_);
    decode_.visit(binder, batch_);
  }

  /// Into what this model has of both.
  void encode_either(View<const float> images, View<Token> ids, View<float> latents) {
    if constexpr (config.has_codes())
      encode(images, ids);
    else
      encode(images, latents);
  }

  /// What a pass computes: with the number of its images, what the backend may repeat.
  enum class Pass { ids, margins, means, draws, latents, decode };
  [[nodiscard]] Index key(Pass pass, Index count) const { return static_cast<Index>(pass) * (batch_ + 1) + count; }

  /// images [B, C, H, W] -> latents, `values` an image, as the encoder puts them out; what: their name in errors.
  void encode_to(const char* function, View<const float> images, const char* what, Index values, View<float> latents) {
    const Index all = check_images(function, images);
    check_count(function, what, latents.size(), all * values);
    for_each_pass(all, [&](Index done, Index count) {
      upload(images, image_values, done, count, encode_.image);
      replay_.run(key(Pass::latents, count), [&] { encode_latents(count); });
      download(View<const S>(encode_.latents), values, done, count, latents);
    });
  }

  /// encode_.image -> encode_.latents.
  void encode_latents(Index count) {
    ModelEncoder::template forward<B>(tensors_.encoder, View<const S>(tensors_.latent_tokens), count,
                                      View<const S>(encode_.image), encode_.encoder, encode_.latents);
  }

  /// zq [count, T, code_dim] -> decode_.image.
  void decode_vectors(Index count, View<const S> zq) {
    ModelDecoder::template forward<B>(tensors_.decoder, count, zq, View<const S>(decode_.text), decode_.decoder,
                                      decode_.image);
  }

  /// Calls pass(images done, images of this pass) until all images are done.
  template <class F>
  void for_each_pass(Index images, F&& pass) {
    try {
      for (Index done = 0; done < images; done += batch_) pass(done, std::min(batch_, images - done));
      transfers_.wait();
    } catch (...) {
      transfers_.forget();  // they would write into memory that its owner may give back
      throw;
    }
  }

  /// One pass's part of a caller's buffer with `values` an image.
  template <class From, class To>
  void upload(View<const From> from, Index values, Index done, Index count, View<To> there) {
    transfers_.upload(slice(from, done * values, count * values), first(there, count * values));
  }
  template <class From, class To>
  void download(View<const From> there, Index values, Index done, Index count, View<To> to) {
    transfers_.download(first(there, count * values), slice(to, done * values, count * values));
  }

  template <class T, std::size_t rank>
  static View<const T> view_of(const xt::xtensor<T, rank>& values) {
    return {values.data(), values.size()};
  }

  template <class Expression>
  static auto checked_images(const xt::xexpression<Expression>& images) {
    constexpr std::size_t rank = rank_of<Expression>;
    static_assert(rank == 3 || rank == 4, "Tokenizer::encode takes [C, H, W] or [B, C, H, W] with a static rank.");
    static_assert(!std::is_integral_v<typename std::decay_t<Expression>::value_type>,
                  "Tokenizer::encode takes floating-point numbers in the model's range; 8-bit pixels become these by "
                  "to_model_range() (data/model_pixels.hpp).");
    xt::xtensor<float, rank> values = images.derived_cast();
    check_shape("Tokenizer::encode", "an image", values.shape(), image_shape, "(channels, height, width)");
    return values;
  }

  /// images [C, H, W] or [B, C, H, W] -> [T, code_dim] or [B, T, code_dim].
  template <std::size_t rank>
  auto encode_continuous(const xt::xtensor<float, rank>& images, View<const float> noise) {
    auto latents = new_tensor<float, rank - 1>(images.shape()[0], token_shape);
    encode(view_of(images), View<float>(latents.data(), latents.size()), noise);
    return latents;
  }

  /// A tensor of shape `one`, or of `count` of those where it has one dimension more.
  template <class T, std::size_t rank, std::size_t rank_of_one>
  static xt::xtensor<T, rank> new_tensor(std::size_t count, const std::array<std::size_t, rank_of_one>& one) {
    static_assert(rank == rank_of_one || rank == rank_of_one + 1);
    std::array<std::size_t, rank> shape;
    shape.front() = count;
    std::ranges::copy(one, shape.end() - rank_of_one);
    return xt::xtensor<T, rank>(shape);
  }

  static ParameterSource table_source(View<const float> parameters) {
    check_count("Tokenizer", "parameters", parameters.size(), Table::size);
    return [parameters](const Parameter& p) { return slice(parameters, p); };
  }

  // What views must hold. Messages are made only where they are thrown: nothing is allocated before.

  /// The images in a view of `values` an image.
  static Index count_images(const char* function, const char* what, std::size_t found, Index values) {
    if (found % size_of(values) != 0) {
      throw Error(ErrorCode::bad_argument, function, std::to_string(found) + " " + what,
                  "a multiple of " + std::to_string(values) + ", those of one image");
    }
    return static_cast<Index>(found) / values;
  }
  static Index check_images(const char* function, View<const float> images) {
    const Index all = count_images(function, "values of images", images.size(), image_values);
    check_finite_images(function, "", images, image_values);
    return all;
  }
  /// Noise or text, `values` an image.
  static void check_part(const char* function, const char* what, View<const float> part, Index all, Index values) {
    if (std::ssize(part) != all * values) {
      check_count(function, std::string("values of ") + what, part.size(), all * values);
    }
    if (first_not_finite(part) != part.size()) {
      check_finite_images(function, std::string("the ") + what + " of ", part, values);
    }
  }
  static void check_decode(Index all, View<const float> text, View<float> images) {
    check_part("Tokenizer::decode", "text", text, all, text_values);
    check_count("Tokenizer::decode", "values of images", images.size(), all * image_values);
  }

  static void check_batch(Index batch) {
    if (batch < 1) throw Error(ErrorCode::bad_argument, "Tokenizer", "batch " + std::to_string(batch), "at least 1");
  }

  /// The last dimensions of a shape must be those of one image.
  template <std::size_t count>
  static void check_shape(const char* function, const char* what, const auto& shape,
                          const std::array<std::size_t, count>& expected, const char* names) {
    if (std::equal(expected.begin(), expected.end(), shape.end() - count)) return;
    const auto text = [](auto begin, auto end) {
      std::string s = "[";
      for (auto it = begin; it != end; ++it) s += (it == begin ? "" : ", ") + std::to_string(*it);
      return s + "]";
    };
    throw Error(ErrorCode::mismatch, function,
                std::string(what) + " of shape " + text(shape.end() - count, shape.end()),
                text(expected.begin(), expected.end()) + " " + names);
  }

  static void check_ids(View<const Token> ids) {
    const auto wrong = std::ranges::find_if(ids, [](Token id) { return id < 0 || id >= config.codebook_size; });
    if (wrong == ids.end()) return;
    throw Error(ErrorCode::bad_argument, "Tokenizer::decode", "token " + std::to_string(*wrong),
                "ids from 0 to " + std::to_string(config.codebook_size - 1));
  }

  Index batch_;
  typename M::template Tensors<const S> tensors_{};
  ForwardWeights<B> weights_;
  typename B::template Buffer<S> work_;
  typename B::template Buffer<Token> ids_;
  typename Bottleneck::template Codes<S> codes_{};
  EncodeWork encode_{};
  DecodeWork decode_{};
  typename B::Transfers transfers_{};
  typename B::Replay replay_{};
};

}  // namespace tessera

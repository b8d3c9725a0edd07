// Trainer: steps of AdamW on the training loss, and checkpoints from which a run goes on with the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tessera/backend/cpu/cpu.hpp>
#include <tessera/core/finite.hpp>
#include <tessera/io/checkpoint.hpp>
#include <tessera/io/model_file.hpp>
#include <tessera/model.hpp>
#include <tessera/nn/initialize.hpp>
#include <tessera/step_report.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/train_options.hpp>
#include <tessera/training_pass.hpp>

namespace tessera {

/// Trains a model of this Config, from random weights, saved ones or a checkpoint. Owns the weights, their gradients,
/// moments and moving average, and the memory of a pass.
template <Config config, Backend B = cpu>
class Trainer {
  using S = typename B::Scalar;
  using W = Wide<S>;  // what weights are trained in; passes read them rounded to S
  using M = Model<config>;
  using Table = ParameterTable<config>;
  using Pass = TrainingPass<config, B>;
  using Upkeep = CodebookUpkeep<config.codebook_size, config.code_dim>;

 public:
  static constexpr Config configuration = config;

  /// Starts from random weights. Throws Error(bad_argument) when an option is out of range, or of no use to the model.
  explicit Trainer(const TrainOptions& options)
      : options_((check_options(options), options)),
        weights_(Table::size),
        gradients_(Table::size),
        first_moments_(Table::size),
        second_moments_(Table::size),
        average_(options.ema_decay > 0 ? Table::size : 0),
        rounded_(rounds ? Table::size : 0),
        input_(options.input_noise > 0 ? options.batch_size * config.image_values() : 0),
        target_(options.batch_size * config.image_values()),
        text_(options.batch_size * config.text_values()),
        noise_(config.has_codes() ? 0 : options.batch_size * config.tokens() * config.code_dim),
        pass_(options.batch_size, options.decoder_only) {
    tensors_ = Table::bind(View<const S>(pass_weights()));
    gradient_tensors_ = Table::bind(gradients_.view());
    packed_ = PackedWeights<B>(tensors_, true);
    AlignedBuffer<float> start(Table::size);
    initialize(Table::parameters(), start.view(), options.seed);
    set_weights(std::as_const(start).view());
  }

  /// Starts from a saved model instead. Throws Error: file_access, bad_file, mismatch.
  void load_weights(const std::filesystem::path& path) {
    AlignedBuffer<float> start(Table::size);
    load_parameters(path, config, Table::parameters(), start.view());
    set_weights(std::as_const(start).view());
  }

  /// Images that one step takes.
  [[nodiscard]] Index images_per_step() const { return options_.images_per_step(); }
  [[nodiscard]] Index steps_done() const { return step_; }
  [[nodiscard]] const TrainOptions& options() const { return options_; }

  /// One update from images [images_per_step(), C, H, W] in the model's range, and text [images_per_step(), length,
  /// width], embeddings, where the decoder sees one. Throws Error(bad_argument) for another number of values, and,
  /// naming the step, where an image, a text, a latent, a loss or the gradient is NaN or infinite, or so large that the
  /// update could be. The state() is then that of before, and another step may follow. An error from within an update
  /// (out of memory, or a device's) leaves the trainer without a state until restore(): nothing half done can be saved.
  StepReport step(View<const float> images, View<const float> text = {}) {
    check_count("Trainer::step", "values", images.size(), images_per_step() * config.image_values());
    check_count("Trainer::step", "values of text", text.size(), images_per_step() * config.text_values());
    require_state();
    const Index step = step_ + 1;
    check_finite_images(step_name(step), "", images, config.image_values());
    check_finite_images(step_name(step), "the text of ", text, std::max<Index>(1, config.text_values()));
    const PassOptions pass_options = this->pass_options(step);
    B::fill(W{}, gradients_.view());
    z_.clear();
    ids_.clear();
    Losses<double> sum;
    for (Index i = 0; i < options_.accumulate; ++i) {
      const auto of_pass = [&](View<const float> all) {
        const Index values = static_cast<Index>(all.size()) / options_.accumulate;
        return slice(all, i * values, values);
      };
      const Losses<double> losses = run_pass(of_pass(images), of_pass(text), step, i, pass_options);
      sum.reconstruction += losses.reconstruction;
      sum.codebook += losses.codebook;
      sum.commitment += losses.commitment;
      sum.kl += losses.kl;
    }
    const double passes = static_cast<double>(options_.accumulate);
    StepReport report{step,
                      sum.total() / passes,
                      sum.reconstruction / passes,
                      sum.codebook / passes,
                      sum.commitment / passes,
                      sum.kl / passes,
                      norm(gradients_),
                      options_.schedule.at(step)};
    check_step(report);

    whole_ = false;
    update_weights(report);
    if constexpr (config.has_codes()) keep_up_codebook(step, pass_options);
    prepare_weights();
    step_ = step;
    whole_ = true;
    return report;
  }

  /// The weights now, and their moving average (of the codebook too); in ParameterTable<config>'s order.
  [[nodiscard]] AlignedBuffer<float> weights() const {
    require_state();
    return download(weights_.view());
  }
  [[nodiscard]] AlignedBuffer<float> averaged_weights() const {
    require_state();
    return download(average_.view());
  }
  /// The gradient of the last step, not clipped.
  [[nodiscard]] AlignedBuffer<float> gradients() const { return download(gradients_.view()); }

  /// Which codes were chosen since the last revival, or in all steps where there is none.
  [[nodiscard]] CodebookUse codebook_use() const { return tessera::codebook_use(upkeep_.counts); }

  /// Write model files that load without being told their Config, with an image and its tokens: for a moment that needs
  /// the memory of a tokenizer. Throw Error(file_access), or bad_argument where there is no average or a weight is NaN
  /// or infinite.
  void save_weights(const std::filesystem::path& path) const { save_model(path, weights()); }
  void save_averaged_weights(const std::filesystem::path& path) const {
    require_average(options_, path.string());
    save_model(path, averaged_weights());
  }

  /// Writes everything that `resume` needs, atomically: a killed program leaves the last checkpoint whole.
  void save_checkpoint(const std::filesystem::path& path) const {
    tessera::save_checkpoint(path, config, options_, Table::parameters(), state());
  }

  /// Goes on from a checkpoint: the following steps give the same bits as if the run had never stopped.
  /// Throws Error: file_access, bad_file, or mismatch when Config or options differ from the checkpoint's.
  void resume(const std::filesystem::path& path) {
    TrainerState saved = state();
    load_checkpoint(path, config, options_, Table::parameters(), saved);
    restore(saved);
  }

  /// A copy of all that the following steps depend on, beside the options.
  [[nodiscard]] TrainerState state() const {
    require_state();
    return {.step = step_,
            .weights = weights(),
            .first_moments = download(first_moments_.view()),
            .second_moments = download(second_moments_.view()),
            .average = averaged_weights(),
            .codebook = upkeep_};
  }
  /// Goes back to a state() of this trainer or of one with the same options. Throws Error(bad_argument) for a state of
  /// other sizes, or with a NaN or infinity.
  void restore(const TrainerState& state) {
    for (const auto* values : {&state.weights, &state.first_moments, &state.second_moments}) {
      check_count("Trainer::restore", "values", values->view().size(), Table::size);
    }
    if (average_.size() > 0) {
      check_count("Trainer::restore", "averaged values", state.average.view().size(), average_.size());
    }
    check_codebook_state("Trainer::restore", state.codebook, upkeep_);
    detail::check_finite_state("Trainer::restore", Table::parameters(), state, ErrorCode::bad_argument);
    whole_ = false;
    B::upload(state.weights.view(), weights_.view());
    B::upload(state.first_moments.view(), first_moments_.view());
    B::upload(state.second_moments.view(), second_moments_.view());
    if (average_.size() > 0) B::upload(state.average.view(), average_.view());
    static_cast<CodebookState&>(upkeep_) = state.codebook;
    prepare_weights();
    step_ = state.step;
    whole_ = true;
  }

  /// Starts from these weights, in ParameterTable<config>'s order. Throws Error(bad_argument) for another number of
  /// them, or a NaN or infinity.
  void set_weights(View<const float> values) {
    check_count("Trainer::set_weights", "values", values.size(), Table::size);
    for (const Parameter& p : Table::parameters()) {
      check_finite("Trainer::set_weights", p.name, slice(values, p), ErrorCode::bad_argument);
    }
    B::upload(values, weights_.view());
    if (average_.size() > 0) B::upload(values, average_.view());
    prepare_weights();
  }

 private:
  static constexpr bool rounds = !std::is_same_v<S, W>;

  /// The weights as passes read them.
  [[nodiscard]] View<S> pass_weights() {
    if constexpr (rounds)
      return rounded_.view();
    else
      return weights_.view();
  }
  void prepare_weights() {
    if constexpr (rounds) B::round(View<const W>(weights_.view()), rounded_.view());
    PackedWeights<B>::pack(tensors_);
  }

  [[nodiscard]] PassOptions pass_options(Index step) const {
    return {.reconstruction = options_.reconstruction,
            .quantize = step > options_.codebook.unquantized_steps,
            .codebook_weight = options_.codebook.ema_decay > 0 ? 0.0 : 1.0,
            .kl_weight = options_.kl_weight};
  }

  Losses<double> run_pass(View<const float> images, View<const float> text, Index step, Index pass,
                          const PassOptions& pass_options) {
    B::upload(images, target_.view());
    B::upload(text, text_.view());
    if (options_.input_noise > 0) upload_noisy(images, step, pass);
    if constexpr (!config.has_codes()) upload_noise(step, pass);
    const View<const S> input = options_.input_noise > 0 ? input_.view() : target_.view();
    const TrainingBatch<S> batch{input, target_.view(), text_.view(), noise_.view()};
    const auto losses = pass_.forward(tensors_, batch, pass_options);
    pass_.backward(tensors_, batch, pass_options, 1.0 / static_cast<double>(options_.accumulate), gradient_tensors_);
    if constexpr (config.has_codes()) collect(pass_options.quantize);
    return {static_cast<double>(losses.reconstruction), static_cast<double>(losses.codebook),
            static_cast<double>(losses.commitment), static_cast<double>(losses.kl)};
  }

  /// Numbers for one pass of a step.
  [[nodiscard]] Random random(std::uint64_t stream, Index step, Index pass) const {
    return Random(options_.seed, stream, static_cast<std::uint64_t>(step * options_.accumulate + pass));
  }

  void upload_noisy(View<const float> images, Index step, Index pass) {
    Random random = this->random(noise_stream, step, pass);
    std::vector<float> noisy(images.begin(), images.end());
    for (float& x : noisy) x += static_cast<float>(options_.input_noise * random.normal());
    B::upload(noisy, input_.view());
  }

  /// What the posterior's latents are drawn with.
  void upload_noise(Index step, Index pass) {
    Random random = this->random(posterior_stream, step, pass);
    std::vector<float> noise(noise_.view().size());
    for (float& x : noise) x = static_cast<float>(random.normal());
    B::upload(noise, noise_.view());
  }

  /// The pass's latents and ids, for the codebook's upkeep.
  void collect(bool quantized) {
    const std::size_t z_begin = z_.size(), ids_begin = ids_.size();
    z_.resize(z_begin + pass_.z().size());
    B::download(pass_.z(), View<float>(z_).subspan(z_begin));
    if (!quantized) return;
    ids_.resize(ids_begin + pass_.ids().size());
    B::download_tokens(pass_.ids(), View<Token>(ids_).subspan(ids_begin));
  }

  [[nodiscard]] static double norm(const typename B::template Buffer<W>& values) {
    return std::sqrt(static_cast<double>(B::sum_of_squares(values.view())));
  }

  /// What the gradient is multiplied by, as in torch.nn.utils.clip_grad_norm_.
  [[nodiscard]] double clipping(double grad_norm) const {
    return options_.clip > 0 ? std::min(1.0, options_.clip / (grad_norm + 1e-6)) : 1.0;
  }

  static std::string step_name(Index step) { return "step " + std::to_string(step); }

  /// Throws Error(bad_argument) where what a step computed is not finite, or the update that follows could give what is
  /// not: then nothing has changed yet.
  void check_step(const StepReport& report) const {
    const auto require = [&](double found, double below, const char* what) {
      if (found < below) return;
      const std::string expected = std::isfinite(found) ? "below " + detail::number_text(below) : "finite numbers";
      throw Error(
          ErrorCode::bad_argument, step_name(report.step),
          std::string(what) + " " + (std::isfinite(found) ? detail::number_text(found) : not_finite_text(found)),
          expected + " (a lower learning rate, or clipping)");
    };
    constexpr double infinity = std::numeric_limits<double>::infinity();
    require(report.loss, infinity, "a loss of");
    require(report.grad_norm, infinity, "a gradient of norm");
    require(double{largest_magnitude(z_)}, largest_latent, "a latent of");
    // No value is larger than the norm of all: of gradients and moments g, m and v it bounds g, and |p| and |m| here.
    const double gradient = clipping(report.grad_norm) * report.grad_norm;
    require(gradient, largest_gradient, "a gradient of norm");
    const double moment = options_.beta1 * norm(first_moments_) + (1 - options_.beta1) * gradient;
    const double correction = 1 - std::pow(options_.beta1, static_cast<double>(report.step));
    const double move = moment / options_.eps * std::max(1.0, report.learning_rate / correction);
    require(norm(weights_) + move, largest_weight, "an update that could lead to weights of");
  }

  void update_weights(const StepReport& report) {
    // Early averages forget their start faster, as in the published code's EMAModel.
    const double n = static_cast<double>(report.step - 1);
    const double decay = report.step == 1 ? 0.0 : std::min((1.0 + n) / (10.0 + n), options_.ema_decay);
    const double scale = clipping(report.grad_norm);
    for (const Parameter& p : Table::parameters()) {
      if (options_.decoder_only && !M::decodes(p.name)) continue;
      const AdamWStep adamw{.learning_rate = report.learning_rate,
                            .beta1 = options_.beta1,
                            .beta2 = options_.beta2,
                            .eps = options_.eps,
                            .weight_decay = p.decays ? options_.weight_decay : 0.0,
                            .gradient_scale = scale,
                            .step = report.step};
      const auto part = [&](auto& buffer) { return slice(buffer.view(), p); };
      B::adamw(adamw, part(gradients_), part(weights_), part(first_moments_), part(second_moments_));
      if (average_.size() > 0) B::moving_average(decay, part(weights_), part(average_));
    }
  }

  void keep_up_codebook(Index step, const PassOptions& pass_options) {
    upkeep_.observe(z_, ids_);
    if (pass_options.quantize && options_.codebook.ema_decay > 0) update_code_averages(step);
    if (step == options_.codebook.unquantized_steps) start_codebook();
    if (options_.codebook.revives_in(step)) revive_codes(step);
  }

  /// Calls edit(codes on the host), and puts the result back.
  template <class Edit>
  void edit_codes(Edit&& edit) {
    const View<W> codebook = Table::bind(weights_.view()).codebook;
    std::vector<float> codes(codebook.size());
    B::download(View<const W>(codebook), codes);
    edit(View<float>(codes));
    B::upload(codes, codebook);
  }

  void start_codebook() {
    edit_codes([&](View<float> codes) {
      upkeep_.template start<B>(options_.codebook.start, codes, Random(options_.seed, start_stream, 0));
      if (options_.codebook.ema_decay > 0) upkeep_.start_ema(codes);
    });
    forget_moments(all_codes());
    average_codes(all_codes());
  }

  void revive_codes(Index step) {
    std::vector<Index> dead;
    edit_codes([&](View<float> codes) {
      dead = upkeep_.revive(codes, Random(options_.seed, revive_stream, static_cast<std::uint64_t>(step)));
    });
    std::ranges::fill(upkeep_.counts, 0);
    forget_moments(dead);
    average_codes(dead);
  }

  void update_code_averages(Index step) {
    if (step == 1) edit_codes([&](View<float> codes) { upkeep_.start_ema(codes); });
    edit_codes([&](View<float> codes) { upkeep_.update_ema(options_.codebook.ema_decay, z_, ids_, codes); });
  }

  static std::vector<Index> all_codes() {
    std::vector<Index> codes(static_cast<std::size_t>(config.codebook_size));
    for (std::size_t k = 0; k < codes.size(); ++k) codes[k] = static_cast<Index>(k);
    return codes;
  }

  /// A code that has moved elsewhere starts without momentum.
  void forget_moments(const std::vector<Index>& codes) {
    for (auto* moments : {&first_moments_, &second_moments_}) {
      const View<W> rows = Table::bind(moments->view()).codebook;
      for (const Index k : codes) B::fill(W{}, slice(rows, k * config.code_dim, config.code_dim));
    }
  }

  /// The averaged weights take a moved code as it is: a mean of its old and new place would serve no latent.
  void average_codes(const std::vector<Index>& codes) {
    if (average_.size() == 0) return;
    const View<W> now = Table::bind(weights_.view()).codebook, average = Table::bind(average_.view()).codebook;
    for (const Index k : codes) {
      const auto code = [&](View<W> all) { return slice(all, k * config.code_dim, config.code_dim); };
      B::moving_average(0.0, View<const W>(code(now)), code(average));  // which keeps nothing of what it was
    }
  }

  static void check_options(const TrainOptions& options) {
    check(options);
    if (config.has_codes() || options.codebook == CodebookOptions{}) return;
    throw Error(ErrorCode::bad_argument, "codebook", "options", "none: this model's latents are continuous");
  }

  static AlignedBuffer<float> download(View<const W> values) {
    AlignedBuffer<float> host(static_cast<Index>(values.size()));
    B::download(values, host.view());
    return host;
  }

  static void save_model(const std::filesystem::path& path, const AlignedBuffer<float>& values) {
    save_parameters(path, config, Table::parameters(), values.view(),
                    Tokenizer<config, B>(values.view(), 1).self_check());
  }

  void require_state() const {
    if (whole_) return;
    throw Error(ErrorCode::bad_argument, step_name(step_ + 1), "an update that ended halfway",
                "restore() of an earlier state");
  }

  static constexpr std::uint64_t noise_stream = 1, start_stream = 2, revive_stream = 3, posterior_stream = 4;
  // Far beyond what training gives, and far enough from float32's end, 3.4e38: a square of each (the second moment, the
  // distance of a code), a sum of a million squared latents, and a weight times another stay finite.
  static constexpr double largest_gradient = 1e19, largest_latent = 1e15, largest_weight = 1e37;

  TrainOptions options_;
  Index step_ = 0;     // done
  bool whole_ = true;  // false while an update is under way, and after one that failed
  typename B::template Buffer<W> weights_, gradients_, first_moments_, second_moments_, average_;
  typename B::template Buffer<S> rounded_;  // the weights in S, where that is not W
  typename M::template Tensors<const S> tensors_{};
  typename M::template Tensors<W> gradient_tensors_{};
  PackedWeights<B> packed_{};
  typename B::template Buffer<S> input_, target_, text_, noise_;  // of one pass; input_ where noise is added
  Pass pass_;
  Upkeep upkeep_{};
  std::vector<float> z_;    // [images_per_step, T, C] of this step
  std::vector<Token> ids_;  // [images_per_step, T] of this step
};

}  // namespace tessera

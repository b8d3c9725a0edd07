// Everything that a training run can be told. Its JSON form is in io/train_options_json.hpp.
#pragma once

#include <charconv>
#include <limits>
#include <string>
#include <string_view>

#include <tessera/core/error.hpp>
#include <tessera/optim/schedule.hpp>
#include <tessera/reconstruction_loss.hpp>
#include <tessera/vq/codebook_upkeep.hpp>

namespace tessera {

struct TrainOptions {
  Index batch_size = 8;  ///< images of one pass
  Index accumulate = 1;  ///< passes whose gradients are averaged before an update
  Schedule schedule{};
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double clip = 1.0;       ///< largest global gradient norm; 0: no clipping
  double ema_decay = 0.0;  ///< of the averaged weights; 0: none
  ReconstructionLoss reconstruction = ReconstructionLoss::l2;
  double input_noise = 0.0;   ///< standard deviation of Gaussian noise on the encoder's input
  double kl_weight = 1e-6;    ///< of the posterior's divergence, where latents are continuous; TA-TiTok's published one
  bool decoder_only = false;  ///< fine-tuning: encoder, latent tokens and codebook keep their values
  CodebookOptions codebook{};
  std::uint64_t seed = 0;

  /// Images of one update.
  [[nodiscard]] Index images_per_step() const { return batch_size * accumulate; }
};

namespace detail {

/// The shortest text that reads back as the same number.
inline std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace detail

/// Throws Error(bad_argument) that names the first option outside its range. Updates are computed in float32: an option
/// that would round to 0 there, or a decay to 1, is outside.
inline void check(const TrainOptions& o) {
  const auto require = [](bool holds, const char* option, double found, const char* expected) {
    if (!holds) throw Error(ErrorCode::bad_argument, option, detail::number_text(found), expected);
  };
  const auto number = [](Index i) { return static_cast<double>(i); };
  // 0, or above 0 in float32 too; below 1 there.
  const auto not_lost = [](double x) { return x == 0 || x >= double{std::numeric_limits<float>::min()}; };
  const auto decays = [&](double x) { return x >= 0 && static_cast<float>(x) < 1 && not_lost(x); };
  constexpr const char* decay = "0, or from 1.2e-38 to 0.9999999 (float32 rounds what is nearer to 1)";
  constexpr Index most_images = Index{1} << 20, most_steps = Index{1} << 40;
  require(o.batch_size > 0 && o.batch_size <= most_images, "batch_size", number(o.batch_size), "1 to 1048576");
  require(o.accumulate > 0 && o.accumulate <= most_images, "accumulate", number(o.accumulate), "1 to 1048576");
  require(o.schedule.steps > 0 && o.schedule.steps <= most_steps, "steps", number(o.schedule.steps), "1 to 2^40");
  require(o.schedule.warmup >= 0 && o.schedule.warmup <= most_steps, "warmup", number(o.schedule.warmup), "0 to 2^40");
  require(o.schedule.peak > 0 && o.schedule.peak < 1e3 && not_lost(o.schedule.peak), "learning rate", o.schedule.peak,
          "1.2e-38 to 1000");
  require(o.schedule.final_fraction >= 0 && o.schedule.final_fraction <= 1, "final fraction of the learning rate",
          o.schedule.final_fraction, "0 to 1");
  require(o.weight_decay >= 0 && o.weight_decay * o.schedule.peak <= 1 && not_lost(o.weight_decay), "weight_decay",
          o.weight_decay, "0, or from 1.2e-38 to 1 / learning rate: a step takes away that part of a weight");
  require(decays(o.beta1), "beta1", o.beta1, decay);
  require(decays(o.beta2), "beta2", o.beta2, decay);
  require(o.eps >= 1e-30 && o.eps < 1e6, "eps", o.eps, "1e-30 to 1e6");
  require(o.clip >= 0 && o.clip < 1e30 && not_lost(o.clip), "clip", o.clip, "0, or from 1.2e-38 to 1e30");
  require(decays(o.ema_decay), "ema", o.ema_decay, decay);
  require(o.input_noise >= 0 && o.input_noise < 1e6 && not_lost(o.input_noise), "input_noise", o.input_noise,
          "0, or from 1.2e-38 to 1e6");
  require(o.kl_weight >= 0 && o.kl_weight < 1e6 && not_lost(o.kl_weight), "kl_weight", o.kl_weight,
          "0, or from 1.2e-38 to 1e6");
  require(!o.decoder_only || o.codebook == CodebookOptions{}, "decoder_only", 1,
          "no upkeep of the codebook beside it: the codes keep their values");
  const bool start = o.codebook.start != CodebookStart::as_is;
  require(o.codebook.unquantized_steps >= (start ? 1 : 0), "unquantized_steps", number(o.codebook.unquantized_steps),
          start ? "at least 1: the codebook starts after them" : "at least 0");
  require(o.codebook.revive_every >= 0, "revive_every", number(o.codebook.revive_every), "at least 0");
  require(decays(o.codebook.ema_decay), "codebook_ema", o.codebook.ema_decay, decay);
}

/// Throws Error(bad_argument) where no averaged weights are kept that could be saved as `file`.
inline void require_average(const TrainOptions& options, std::string_view file) {
  if (options.ema_decay > 0) return;
  throw Error(ErrorCode::bad_argument, file, "a trainer that keeps no averaged weights",
              "TrainOptions::ema_decay above 0");
}

}  // namespace tessera

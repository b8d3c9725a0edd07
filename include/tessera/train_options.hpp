// Everything that a training run can be told. Its JSON form is in io/train_options_json.hpp.
#pragma once

#include <charconv>
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

/// Throws Error(bad_argument) that names the first option outside its range.
inline void check(const TrainOptions& o) {
  const auto require = [](bool holds, const char* option, double found, const char* expected) {
    if (!holds) throw Error(ErrorCode::bad_argument, option, detail::number_text(found), expected);
  };
  const auto number = [](Index i) { return static_cast<double>(i); };
  constexpr Index most_images = Index{1} << 20, most_steps = Index{1} << 40;
  require(o.batch_size > 0 && o.batch_size <= most_images, "batch_size", number(o.batch_size), "1 to 1048576");
  require(o.accumulate > 0 && o.accumulate <= most_images, "accumulate", number(o.accumulate), "1 to 1048576");
  require(o.schedule.steps > 0 && o.schedule.steps <= most_steps, "steps", number(o.schedule.steps), "1 to 2^40");
  require(o.schedule.warmup >= 0 && o.schedule.warmup <= most_steps, "warmup", number(o.schedule.warmup), "0 to 2^40");
  require(o.schedule.peak > 0 && o.schedule.peak < 1e3, "learning rate", o.schedule.peak, "above 0, below 1000");
  require(o.schedule.final_fraction >= 0 && o.schedule.final_fraction <= 1, "final fraction of the learning rate",
          o.schedule.final_fraction, "0 to 1");
  require(o.weight_decay >= 0 && o.weight_decay < 1e6, "weight_decay", o.weight_decay, "0 to 1e6");
  require(o.beta1 >= 0 && o.beta1 < 1, "beta1", o.beta1, "in [0, 1)");
  require(o.beta2 >= 0 && o.beta2 < 1, "beta2", o.beta2, "in [0, 1)");
  require(o.eps > 0 && o.eps < 1e6, "eps", o.eps, "above 0, below 1e6");
  require(o.clip >= 0 && o.clip < 1e30, "clip", o.clip, "0 to 1e30");
  require(o.ema_decay >= 0 && o.ema_decay < 1, "ema", o.ema_decay, "in [0, 1)");
  require(o.input_noise >= 0 && o.input_noise < 1e6, "input_noise", o.input_noise, "0 to 1e6");
  require(o.kl_weight >= 0 && o.kl_weight < 1e6, "kl_weight", o.kl_weight, "0 to 1e6");
  require(!o.decoder_only || o.codebook == CodebookOptions{}, "decoder_only", 1,
          "no upkeep of the codebook beside it: the codes keep their values");
  const bool start = o.codebook.start != CodebookStart::as_is;
  require(o.codebook.unquantized_steps >= (start ? 1 : 0), "unquantized_steps", number(o.codebook.unquantized_steps),
          start ? "at least 1: the codebook starts after them" : "at least 0");
  require(o.codebook.revive_every >= 0, "revive_every", number(o.codebook.revive_every), "at least 0");
  require(o.codebook.ema_decay >= 0 && o.codebook.ema_decay < 1, "codebook_ema", o.codebook.ema_decay, "in [0, 1)");
}

/// Throws Error(bad_argument) where no averaged weights are kept that could be saved as `file`.
inline void require_average(const TrainOptions& options, std::string_view file) {
  if (options.ema_decay > 0) return;
  throw Error(ErrorCode::bad_argument, file, "a trainer that keeps no averaged weights",
              "TrainOptions::ema_decay above 0");
}

}  // namespace tessera

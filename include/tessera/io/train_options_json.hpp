// TrainOptions as JSON, for checkpoints.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <tessera/io/config_json.hpp>
#include <tessera/train_options.hpp>

namespace tessera {

constexpr std::array<std::pair<ScheduleShape, std::string_view>, 2> json_names(ScheduleShape) {
  return {{{ScheduleShape::constant, "constant"}, {ScheduleShape::cosine, "cosine"}}};
}
constexpr std::array<std::pair<ReconstructionLoss, std::string_view>, 2> json_names(ReconstructionLoss) {
  return {{{ReconstructionLoss::l2, "l2"}, {ReconstructionLoss::l1, "l1"}}};
}
constexpr std::array<std::pair<CodebookStart, std::string_view>, 3> json_names(CodebookStart) {
  return {{{CodebookStart::as_is, "as_is"}, {CodebookStart::data, "data"}, {CodebookStart::kmeans, "kmeans"}}};
}

template <MaybeConst<Schedule> T, class Visitor>
void visit_fields(T& schedule, Visitor&& visit) {
  visit("final_fraction", schedule.final_fraction);
  visit("peak", schedule.peak);
  visit("shape", schedule.shape);
  visit("steps", schedule.steps);
  visit("warmup", schedule.warmup);
}
template <MaybeConst<CodebookOptions> T, class Visitor>
void visit_fields(T& codebook, Visitor&& visit) {
  visit("ema_decay", codebook.ema_decay);
  visit("revive_every", codebook.revive_every);
  visit("start", codebook.start);
  visit("unquantized_steps", codebook.unquantized_steps);
}
template <MaybeConst<TrainOptions> T, class Visitor>
void visit_fields(T& options, Visitor&& visit) {
  visit("accumulate", options.accumulate);
  visit("batch_size", options.batch_size);
  visit("beta1", options.beta1);
  visit("beta2", options.beta2);
  visit("clip", options.clip);
  visit("codebook", options.codebook);
  visit("decoder_only", options.decoder_only);
  visit("ema_decay", options.ema_decay);
  visit("eps", options.eps);
  visit("input_noise", options.input_noise);
  visit("kl_weight", options.kl_weight);
  visit("reconstruction", options.reconstruction);
  visit("schedule", options.schedule);
  visit("seed", options.seed);
  visit("weight_decay", options.weight_decay);
}

}  // namespace tessera

// Checkpoints of a training run: one safetensors file with every buffer, the Config, the options and the step.
#pragma once

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <tessera/io/model_file.hpp>
#include <tessera/io/train_options_json.hpp>
#include <tessera/train_options.hpp>
#include <tessera/trainer_state.hpp>

namespace tessera {

namespace detail {

inline constexpr const char* options_key = "tessera.train_options";
inline constexpr const char* step_key = "tessera.step";

/// Calls parameters(prefix, buffer) and values(name, vector) for every part of a state, a const one or not.
template <class State, class Parameters, class Values>
void visit_state(State& state, Parameters&& parameters, Values&& values) {
  parameters("model.", state.weights);
  parameters("first_moment.", state.first_moments);
  parameters("second_moment.", state.second_moments);
  if (state.average.size() > 0) parameters("average.", state.average);
  values("codebook.counts", std::span(state.codebook.counts));
  values("codebook.recent", std::span(state.codebook.recent));
  values("codebook.recent_seen", std::span(&state.codebook.recent_seen, 1));
  values("codebook.ema_counts", std::span(state.codebook.ema_counts));
  values("codebook.ema_sums", std::span(state.codebook.ema_sums));
}

/// Throws Error(code) that names the tensor of a state with a NaN or infinity.
inline void check_finite_state(std::string_view file, const std::vector<Parameter>& parameters,
                               const TrainerState& state, ErrorCode code) {
  visit_state(
      state,
      [&](const char* prefix, const AlignedBuffer<float>& buffer) {
        for (const Parameter& p : parameters) check_finite(file, prefix + p.name, slice(buffer.view(), p), code);
      },
      [&]<class T>(const char* name, std::span<T> values) {
        if constexpr (std::is_same_v<T, const float>) check_finite(file, name, values, code);
      });
}

inline const std::string& checkpoint_metadata(const SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    throw Error(ErrorCode::mismatch, file.path(), std::string("no metadata '") + key + "'", "a tessera checkpoint");
  }
  return found->second;
}

/// A run goes on with its own options: others would make it another run.
inline void check_options(const SafetensorsFile& file, const TrainOptions& options) {
  const std::optional<JsonValue> saved = parse_json(checkpoint_metadata(file, options_key));
  for (const auto& [name, wanted] : fields_of(options)) {
    const JsonValue* const found = saved ? saved->find_path(name) : nullptr;
    if (found != nullptr && found->summary() == wanted) continue;
    throw Error(ErrorCode::mismatch, file.path(),
                "option " + name + " " + (found != nullptr ? found->summary() : "missing"),
                wanted + ", as this run is told");
  }
}

inline Index checkpoint_step(const SafetensorsFile& file) {
  const std::string& text = checkpoint_metadata(file, step_key);
  Index step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc{} || end != text.data() + text.size() || step < 0) {
    throw Error(ErrorCode::bad_file, file.path(), "step '" + text + "'", "an integer from 0 on");
  }
  return step;
}

}  // namespace detail

/// Writes everything that a run goes on from, atomically: a killed program leaves the last checkpoint whole.
/// Throws Error: file_access, or bad_argument where a number is NaN or infinite; an older checkpoint then stays as it
/// is.
inline void save_checkpoint(const std::filesystem::path& path, const Config& config, const TrainOptions& options,
                            const std::vector<Parameter>& parameters, const TrainerState& state) {
  detail::check_finite_state(path.string(), parameters, state, ErrorCode::bad_argument);
  std::vector<TensorToWrite> tensors;
  detail::visit_state(
      state,
      [&](const char* prefix, const AlignedBuffer<float>& buffer) {
        append_parameters(tensors, prefix, parameters, buffer.view());
      },
      [&](const char* name, auto values) {
        tensors.push_back(tensor_to_write(name, {static_cast<Index>(values.size())}, values));
      });
  write_safetensors(path, tensors,
                    {{config_key, to_json_text(config)},
                     {detail::options_key, json_text_of(options)},
                     {detail::step_key, std::to_string(state.step)}});
}

/// Fills `state`, whose buffers have their sizes already, from a checkpoint of the same Config and options.
/// Throws Error: file_access, bad_file, or mismatch.
inline void load_checkpoint(const std::filesystem::path& path, const Config& config, const TrainOptions& options,
                            const std::vector<Parameter>& parameters, TrainerState& state) {
  const SafetensorsFile file(path);
  const std::string& stated = detail::checkpoint_metadata(file, config_key);
  if (config_from_json_text(stated, file.path()) != config) {
    throw Error(ErrorCode::mismatch, file.path(), "a checkpoint of config " + stated, to_json_text(config));
  }
  detail::check_options(file, options);
  const auto read = [&](const std::string& name, auto values) {
    const TensorInfo* tensor = file.find(name);
    if (tensor == nullptr) throw Error(ErrorCode::mismatch, file.path(), "no '" + name + "'", "a whole checkpoint");
    file.read(*tensor, values);
  };
  detail::visit_state(
      state,
      [&](const std::string& prefix, AlignedBuffer<float>& buffer) {
        for (const Parameter& p : parameters) read(prefix + p.name, slice(buffer.view(), p));
      },
      read);
  state.step = detail::checkpoint_step(file);
  if (state.step > options.schedule.steps) {
    throw Error(ErrorCode::bad_file, file.path(), "step " + std::to_string(state.step),
                "at most " + std::to_string(options.schedule.steps));
  }
  detail::check_finite_state(file.path(), parameters, state, ErrorCode::bad_file);
  const auto negative = [](std::int64_t n) { return n < 0; };
  if (negative(state.codebook.recent_seen) || std::ranges::any_of(state.codebook.counts, negative)) {
    throw Error(ErrorCode::bad_file, file.path(), "a negative count of latents or codes", "counts from 0 on");
  }
}

}  // namespace tessera

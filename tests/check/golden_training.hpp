// Five AdamW steps of the published code's small models, on any backend. How far apart two float32 programs may end
// was measured as PyTorch's float32 against its float64 (tests/golden/README.md).
#pragma once

#include <golden_models.hpp>

#include <fstream>
#include <vector>

#include <nlohmann/json.hpp>

#include <tessera/io/npy.hpp>
#include <tessera/trainer.hpp>

namespace tessera::testing {

/// Compares a parameter vector with a safetensors file, tensor by tensor.
template <Config config>
void check_parameters(const AlignedBuffer<float>& found, const std::filesystem::path& path, double tolerance) {
  CAPTURE(path.string());
  AlignedBuffer<float> expected(ParameterTable<config>::size);
  load_parameters(path, config, ParameterTable<config>::parameters(), expected.view());
  for (const Parameter& p : ParameterTable<config>::parameters()) {
    CAPTURE(p.name);
    const Index third = p.dims.count() / 3;
    const auto keys_bias = [&](std::size_t i) {  // its gradient is zero but for rounding: softmax ignores a constant
      return p.name.ends_with("in_proj_bias") && static_cast<Index>(i) / third == 1;
    };
    CHECK(relative_difference(slice(found.view(), p), slice(std::as_const(expected).view(), p), keys_bias) < tolerance);
  }
}

template <Config config, class B>
void check_training(const std::string& name) {
  CAPTURE(name);
  const auto folder = golden_folder(name);
  const NpyFile batches(folder / "train" / "batches.npy");  // [steps, batch, channels, height, width]
  const auto log = nlohmann::json::parse(std::ifstream(folder / "train" / "log.json"));
  TrainOptions options;
  options.batch_size = batches.shape()[1];
  options.schedule = {.shape = ScheduleShape::constant, .peak = log["lr"], .steps = batches.shape()[0]};
  options.weight_decay = log["weight_decay"];
  options.beta1 = log["betas"][0];
  options.beta2 = log["betas"][1];
  options.eps = log["eps"];
  options.clip = log["clip"];
  options.ema_decay = log["ema"];
  Trainer<config, B> trainer(options);
  trainer.load_weights(folder);

  const Index values = options.batch_size * config.image_values();
  for (Index step = 0; step < batches.shape()[0]; ++step) {
    const StepReport report = trainer.step(slice(batches.values<float>(), step * values, values));
    const auto& expected = log["steps"][static_cast<std::size_t>(step)];
    const auto within = [](double value) { return doctest::Approx(value).epsilon(1e-5).scale(0); };
    CAPTURE(step);
    CHECK(report.loss == within(expected["loss"]));
    CHECK(report.reconstruction_loss == within(expected["reconstruction_loss"]));
    CHECK(report.codebook_loss == within(expected["codebook_loss"]));
    CHECK(report.commitment_loss == within(expected["commitment_loss"]));
    CHECK(report.grad_norm == within(expected["grad_norm"]));
    if (step == 0) check_parameters<config>(trainer.gradients(), folder / "train" / "gradient_step1.safetensors", 1e-5);
  }
  check_parameters<config>(trainer.weights(), folder / "train" / "final.safetensors", 3e-4);
  check_parameters<config>(trainer.averaged_weights(), folder / "train" / "ema.safetensors", 3e-4);
}

template <class B>
void check_golden_training() {
  // [&] captures nothing: nvcc 13 refuses to make a function pointer of a [] with a Config.
  for_each_trained_golden_model([&]<Config config>(const std::string& name) { check_training<config, B>(name); });
}

}  // namespace tessera::testing

// Where a model runs: --device and --precision.
#pragma once

#include <string>

namespace program {

enum class Device { cpu, cuda };
/// Those of tessera::cuda, tessera::cuda_tf32 and tessera::cuda_bf16.
enum class Precision { f32, tf32, bf16 };

struct RunsOn {
  Device device = Device::cpu;
  Precision precision = Precision::f32;
};

/// As on the command line.
std::string name_of(Device device);
std::string name_of(Precision precision);

}  // namespace program

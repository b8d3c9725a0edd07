// What the compiler reports of the kernels: nothing may be kept in local memory that was meant for registers.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

namespace {

struct Resources {
  int stack = 0, spill_stores = 0, spill_loads = 0, registers = 0;
};

constexpr const char* kernels[] = {
    "float_attention",  "float_attention_gradient",  "tensor_attention", "tensor_attention_gradient",
    "nearest_float",    "nearest_bfloat16",          "layer_norm_row",   "layer_norm_input_gradient",
    "softmax_row",      "softmax_input_gradient",    "gelu_values",      "gelu_gradients",
    "group_statistics", "group_norm_input_gradient", "column_sums",      "channel_moments",
    "group_slopes",     "group_norm_silu_values",    "add_block_sums",   "attention_row_dots"};

/// Of every kernel, by architecture and name, in the logs that keep_log.sh wrote.
std::map<std::pair<std::string, std::string>, Resources> read_logs() {
  std::map<std::pair<std::string, std::string>, Resources> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(TESSERA_KERNEL_LOGS)) {
    if (entry.path().extension() != ".log") continue;
    std::ifstream log(entry.path());
    Resources* of = nullptr;
    for (std::string line; std::getline(log, line);) {
      // ptxas info    : Compiling entry function 'name' for 'sm_90'
      if (line.find("Compiling entry function") != std::string::npos) {
        std::istringstream quoted(line);
        std::string before, name, between, architecture;
        std::getline(std::getline(quoted, before, '\''), name, '\'');
        std::getline(std::getline(quoted, between, '\''), architecture, '\'');
        of = &found[{architecture, name}];
      }
      if (of == nullptr) continue;
      Resources read;
      if (std::sscanf(line.c_str(), " %d bytes stack frame, %d bytes spill stores, %d bytes spill loads", &read.stack,
                      &read.spill_stores, &read.spill_loads) == 3) {
        read.registers = of->registers;
        *of = read;
      }
      if (const auto used = line.find("Used "); used != std::string::npos) {
        std::sscanf(line.c_str() + used, "Used %d registers", &of->registers);
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("no kernel spills registers, and those named are there in every architecture's code") {
  const auto logs = read_logs();
  std::set<std::string> missing;
  for (const auto& [key, resources] : logs) {
    for (const char* kernel : kernels) missing.insert(key.first + " " + kernel);
  }
  REQUIRE(!missing.empty());
  for (const auto& [key, resources] : logs) {
    const auto& [architecture, name] = key;
    CAPTURE(architecture);
    CAPTURE(name);
    CHECK(resources.registers > 0);
    CHECK(resources.stack == 0);
    CHECK(resources.spill_stores == 0);
    CHECK(resources.spill_loads == 0);
    for (const std::string kernel : kernels) {
      // In a mangled name, a name's length stands before it.
      if (name.find(std::to_string(kernel.size()) + kernel) != std::string::npos) {
        missing.erase(architecture + " " + kernel);
      }
    }
  }
  CHECK(missing == std::set<std::string>());
}

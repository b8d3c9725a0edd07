// What a program that instantiates one tokenizer costs to build: seconds, the compiler's largest memory, and the size
// of the stripped executable. Once for encoding and decoding, once for training.
//   compile_time [compiler]
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr const char* tokenizer_program = R"(
#include <cstdio>
#include <tessera/tessera.hpp>
int main() {
  auto tokenizer = tessera::Tokenizer<tessera::presets::latent_256>::random(1);
  const tessera::Image image = tokenizer.decode(tokenizer.encode(xt::zeros<float>({3, 256, 256})));
  std::printf("%f\n", static_cast<double>(image(0, 0, 0)));
}
)";

constexpr const char* trainer_program = R"(
#include <cstdio>
#include <vector>
#include <tessera/presets.hpp>
#include <tessera/trainer.hpp>
int main() {
  tessera::Trainer<tessera::presets::latent_256> trainer(tessera::TrainOptions{.batch_size = 1});
  const std::vector<float> images(3 * 256 * 256);
  std::printf("%f\n", trainer.step(images).loss);
}
)";

/// Runs a command and ends this program where it fails. Returns the largest memory of it and its children, in bytes.
double run(std::vector<std::string> command) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) < 0 || status != 0) {
    std::fprintf(stderr, "compile_time: %s failed\n", command.front().c_str());
    std::exit(1);
  }
  return static_cast<double>(usage.ru_maxrss) * 1024.0;
}

void measure(const std::string& compiler, const char* name, const char* program) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("tessera_compile_time_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::filesystem::path source = folder / "main.cpp", executable = folder / "main";
  std::ofstream(source) << program;
  const auto start = std::chrono::steady_clock::now();
  const double memory = run({compiler, "-std=c++20", "-O3", "-DNDEBUG", "-march=native", "-ffp-contract=off",
                             "-fopenmp", "-I" TESSERA_INCLUDE, source.string(), "-o", executable.string()});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run({"strip", executable.string()});
  run({executable.string()});
  std::printf("%-12s %-10s %6.1f s  %7.1f MB of memory  %7.1f KB stripped\n", compiler.c_str(), name, seconds,
              memory * 1e-6, static_cast<double>(std::filesystem::file_size(executable)) * 1e-3);
  std::fflush(stdout);
  std::filesystem::remove_all(folder);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string compiler = argc > 1 ? argv[1] : "g++";
  measure(compiler, "tokenizer", tokenizer_program);
  measure(compiler, "trainer", trainer_program);
}

// Are a GPU's tokens tessera::cpu's? In float32 wherever the margin exceeds 1e-4; in formats of fewer bits most of
// them, and it is told how many.
#include <set>

#include <gpu/agreement/encoded.hpp>
#include <gpu/relative_error.hpp>
#include <gpu/rows.hpp>
#include <gpu/values.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;
constexpr float clear_margin = 1e-4F;

using Encode = Encoded (&)(View<const float> weights, View<const float> images);

/// needed: the percentage of ids with a clear margin that must be equal.
void compare(const char* format, Encode encode, View<const float> weights, View<const float> images,
             const Encoded& expected, double needed) {
  const std::string name = text("titok_b64 ids, %s, equal tessera::cpu's", format);
  attempt(name, [&] {
    const Encoded found = encode(weights, images);
    std::size_t equal = 0, clear = 0, clear_and_equal = 0;
    for (std::size_t i = 0; i < expected.ids.size(); ++i) {
      const bool same = found.ids[i] == expected.ids[i], is_clear = expected.margins[i] > clear_margin;
      equal += same;
      clear += is_clear;
      clear_and_equal += same && is_clear;
    }
    const bool agree = static_cast<double>(clear_and_equal) >= needed / 100 * static_cast<double>(clear);
    failed = failed || !agree;
    print_row(name, 0,
              text("%zu of %zu with a margin above 1e-4, %zu of all %zu; latents differ by %.1e", clear_and_equal,
                   clear, equal, expected.ids.size(), relative_error<float>(found.latents, expected.latents)),
              text("%.0f %% of those above 1e-4", needed), yes_or_no(agree));
  });
}

void run(Index images) {
  const std::vector<float> weights = random_weights<agreement_config>(1);
  const std::vector<float> input = pictures<agreement_config>(images, 1);
  const Encoded expected = encode_on_cpu(weights, input);
  // Equal ids say little where there are few.
  const std::set<Token> different(expected.ids.begin(), expected.ids.end());
  require(different.size() > expected.ids.size() / 10, text("%zu different tokens alone", different.size()));
  compare("float32", encode_on_cuda, weights, input, expected, 100);
  // With fewer bits some ids change; with a wrong kernel most do.
  compare("tf32", encode_on_cuda_tf32, weights, input, expected, 80);
  compare("bf16", encode_on_cuda_bf16, weights, input, expected, 80);
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) { run(divided(48, divisor)); });
}

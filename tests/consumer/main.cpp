// A user's program: one tokenizer, one image there and back, one picture written and read again.
#include <cstdio>

#include <tessera/io/image.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

int main() {
  using Tokenizer = tessera::Tokenizer<tessera::presets::tiny_patch>;
  constexpr auto config = Tokenizer::configuration;
  Tokenizer tokenizer = Tokenizer::random(1);
  const tessera::Image image = xt::zeros<float>({config.channels, config.image.height, config.image.width});
  const Tokenizer::Tokens tokens = tokenizer.encode(image);
  const tessera::Image again = tokenizer.decode(tokens);
  if (again.size() != image.size()) return 1;

  const char* const missing = "no such file.png";
  try {
    tessera::read_image(missing);
  } catch (const tessera::Error& error) {
    std::printf("%zu tokens; %s\n", tokens.size(), error.what());
    return error.code() == tessera::ErrorCode::file_access ? 0 : 1;
  }
  return 1;
}

// expect first: tessera::cpu needs fused multiply-add: compile with -march=x86-64-v3 or -march=native.
#include <tessera/tessera.hpp>

int main() {
  return static_cast<int>(sizeof(tessera::Tokenizer<tessera::presets::demo_128>));
}

#!/usr/bin/env bash
# From a fresh Debian 12 to tokens: installs what is missing, builds the program, turns a photograph into tokens and the
# tokens back into a picture. Usage: bash examples/quickstart.sh [PHOTO]      (default: a bundled one)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
photo=$(realpath -- "${1:-$root/examples/photos/coffee.jpg}")
[[ -f $photo ]] || { echo "quickstart.sh: $photo: found no such file, expected a JPEG or PNG photograph" >&2; exit 1; }
model=$root/examples/models/demo.safetensors
picture=$root/build/quickstart.png
cd "$root"

step() { echo "== $*"; }

step "packages"
bash cmake/install_dependencies.sh build
step "building the program (some minutes the first time)"
mkdir -p build
log=build/quickstart.log
# The demo model's sizes alone: `cmake --preset release` adds the others. A build that has the program keeps its settings.
configure() {
  cmake --build build/release --target help | grep -q tessera_program && return
  cmake --preset release --fresh -DTESSERA_PRESETS=demo_128
}
if ! { configure && cmake --build build/release --target tessera_program -j "$(nproc)"; } > "$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "quickstart.sh: the build failed, see $root/$log" >&2
  exit 1
fi

step "the tokens of $photo"
build/release/tessera encode --model "$model" "$photo"
step "original | reconstruction"
build/release/tessera reconstruct --model "$model" "$photo" -o "$picture"
echo "The picture is in $picture"

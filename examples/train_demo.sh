#!/usr/bin/env bash
# Rebuilds examples/models/demo.safetensors from scratch: the photographs, then two and a half hours of training on one core.
# Usage: bash examples/train_demo.sh [FOLDER]     (default: build/demo; run it again to go on after an interruption)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m -- "${1:-$root/build/demo}")
cd "$root"
bash cmake/install_dependencies.sh build photos
bash examples/photos.sh "$out/photos"
[[ -f build/release/Makefile ]] || cmake --preset release -DTESSERA_BUILD_TESTS=OFF -DTESSERA_BUILD_BENCHMARKS=OFF
cmake --build build/release --target tessera_program -j "$(nproc)"
steps=28000
resume=$( [[ ! -f $out/run/checkpoint.safetensors ]] || echo --resume )
build/release/tessera train --preset demo_128 --data "$out/photos/train" -o "$out/run" $resume --threads 1 \
  --steps $steps --batch-size 2 --accumulate 4 --lr 2e-3 --warmup 150 --ema 0.999 --seed 1
mkdir -p examples/models
cp "$out/run/ema.safetensors" examples/models/demo.safetensors

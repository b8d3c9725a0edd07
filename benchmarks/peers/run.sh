#!/usr/bin/env bash
# benchmarks/model.cpp and benchmarks/published.cpp, and the same models in PyTorch (vit.py, published.py), line by line
# in turns on the same cores: one table.
#   run.sh [threads [part of a line's name]]        CORES=2,3 run.sh 2: other cores than the first ones
# Needs Python 3.10 or later with venv, and a g++ for torch.compile. Everything is installed into build/peers. On Linux
# pip's usual PyTorch brings CUDA's libraries, 3 GB; PIP_INDEX_URL can name an index of PyTorch built for CPUs alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
threads=${1:-1}
part=${2:-}
pin=(taskset -c "${CORES:-0-$((threads - 1))}")
peers=$PWD/build/peers

# What is not up to date is built.
cmake --preset release -DTESSERA_PRESETS=all > /dev/null
cmake --build --preset release --target benchmark_model benchmark_published > /dev/null
mkdir -p "$peers"
# No OpenMP: each of vit.py's threads runs the peak's chains on its own.
"${CXX:-g++}" -std=c++20 -O3 -march=native -ffp-contract=off -shared -fPIC -Iinclude benchmarks/peers/peak.cpp \
  -o "$peers/libpeak.so"
[ -e "$peers/venv" ] || python3 -m venv "$peers/venv"
"$peers/venv/bin/pip" install --quiet --requirement benchmarks/peers/requirements.txt

export TORCHINDUCTOR_CACHE_DIR=$peers/inductor

echo "Best time and its speed, median share of the fused multiply-add peak measured beside each repeat, threads pinned:"
for model in titok_l32 titok_b64 titok_s128; do
  for pass in encode decode; do
    [[ "$model $pass" == *"$part"* ]] || continue
    "${pin[@]}" build/release/benchmarks/published "$threads" "$model" | grep "^$model $pass" | sed 's/^/tessera         /'
    for mode in eager compile; do
      "${pin[@]}" "$peers/venv/bin/python" benchmarks/peers/published.py "$peers/libpeak.so" "$mode" "$threads" \
        "$model $pass"
    done
  done
done
for model in TiTok-B-64-sized demo_128; do
  for pass in encode decode "training step"; do
    [[ "$model $pass" == *"$part"* ]] || continue
    "${pin[@]}" build/release/benchmarks/model "$threads" "$model $pass" | sed '1d; s/^/tessera         /'
    for mode in eager compile; do
      "${pin[@]}" "$peers/venv/bin/python" benchmarks/peers/vit.py "$peers/libpeak.so" "$mode" "$threads" "$model $pass"
    done
  done
done

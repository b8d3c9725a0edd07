#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors, and runs all tests.
# Usage: bash tests/run.sh [ctest options]      for example: bash tests/run.sh -R backend
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== packages"
bash cmake/install_dependencies.sh build test
echo "== configure"
cuda=()  # with a CUDA Toolkit, its kernels are compiled too
if command -v nvcc > /dev/null || [[ -x /usr/local/cuda/bin/nvcc ]]; then
  cuda=(-DTESSERA_CUDA=ON -DTESSERA_CUDA_UNTESTED=ON)
fi
# --fresh: what earlier commands left in the cache does not count.
cmake --preset release --fresh "${cuda[@]}" -DTESSERA_WERROR=ON -DTESSERA_PRESETS=all \
  -DTESSERA_BUILD_EXAMPLES=ON -DTESSERA_BUILD_TESTS=ON -DTESSERA_BUILD_BENCHMARKS=ON
echo "== build"
cmake --build build/release -j "$(nproc)"
echo "== test"
export OMP_WAIT_POLICY=passive  # two test programs share the cores, and threads that wait by spinning slow the other
ctest --test-dir build/release --output-on-failure -j "$(nproc)" "$@"

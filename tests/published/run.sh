#!/usr/bin/env bash
# Compares the built program with the published models' mathematics in PyTorch: hub folders of random weights, written by
# Python's safetensors, must give PyTorch's tokens and images.
#   bash tests/published/run.sh [preset...]      (default: all of them; each needs up to 8 GB of memory and of disk)
# Needs Python 3.10 or later with venv. Everything is installed into build/published; on Linux pip's usual PyTorch brings
# CUDA's libraries, 3 GB (PIP_INDEX_URL can name an index of PyTorch built for CPUs alone).
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$PWD/build/published
program=$PWD/build/release/tessera
[[ -x $program ]] || { echo "run.sh: $program: found no program, expected it built (bash tests/run.sh)" >&2; exit 1; }
mkdir -p "$work"
[[ -e $work/venv ]] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement tests/published/requirements.txt
"$work/venv/bin/python" tests/published/compare.py "$program" "$work/models" "$@"

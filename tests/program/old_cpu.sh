#!/usr/bin/env bash
# On a CPU without AVX (Nehalem, 2008) the program ends with one line that names what is missing.
# Usage: bash tests/program/old_cpu.sh PROGRAM
set -euo pipefail
command -v qemu-x86_64 > /dev/null || { echo "skipped: no qemu-x86_64"; exit 0; }
for arguments in --version "train --help" ""; do
  code=0
  line=$(qemu-x86_64 -cpu Nehalem "$1" $arguments 2>&1) || code=$?
  [[ $code == 1 && $(wc -l <<< "$line") == 1 && $line =~ ^"tessera: this CPU: found no AVX, expected " ]] ||
    { echo "found exit code $code and '$line', expected 1 and a line that names AVX"; exit 1; }
done

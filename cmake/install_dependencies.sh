#!/usr/bin/env bash
# Installs the Debian packages that tessera is built with. Usage: bash cmake/install_dependencies.sh [build|photos|test]...
#   build (the default)   compiler, CMake and the libraries of the tessera program
#   photos                what unpacks the training photographs
#   test                  what tests, benchmarks and the checks on other compilers and processors add
# Takes no time where everything is installed; needs root or sudo only where something is missing.
set -euo pipefail

build=(g++ make cmake libxtensor-dev libxsimd-dev nlohmann-json3-dev libcli11-dev libjpeg62-turbo-dev libpng-dev)
test=(doctest-dev libthrust-dev libbenchmark-dev clang-16 libomp-16-dev clang-format qemu-user g++-aarch64-linux-gnu)

packages=()
for group in "${@:-build}"; do
  case $group in
    photos) packages+=(webp) ;;
    build) packages+=("${build[@]}") ;;
    test) packages+=("${build[@]}" "${test[@]}") ;;
    *) echo "install_dependencies.sh: found group '$group', expected build, photos or test" >&2; exit 2 ;;
  esac
done

command -v dpkg-query > /dev/null || { echo "install_dependencies.sh: found no dpkg, expected Debian 12" >&2; exit 1; }
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii *//p')
missing=()
for package in "${packages[@]}"; do
  grep -qx -- "$package" <<< "$installed" || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo > /dev/null || { echo "install_dependencies.sh: run as root: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >> "$log" 2>&1 < /dev/null; }
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
  tail -n 20 "$log" >&2
  echo "install_dependencies.sh: apt-get failed, see above" >&2
  exit 1
fi

#!/usr/bin/env bash
# Builds, tests and measures tessera::cuda on this machine's GPU, and prints one table in Markdown.
#   all.sh [stage]...      build tests benchmarks peers sanitizers: all where none is named; what is built stays
# Needs CMake 3.25, nvcc, g++ and xtensor, xsimd, nlohmann-json; the tests also doctest, libjpeg and libpng; sanitizers
# CUDA's compute-sanitizer; peers python3 with PyTorch, numpy and safetensors. What is missing is said and left out.
# Environment:
#   OUT                 where table.md, its rows.tsv and log.txt go, which holds all output; build/gpu
#   BUDGET              seconds, after which nothing more starts and what runs is ended; 480
#   DIVISOR             what numbers of images are divided by, for a card of less than 40 GB; 1
#   CMAKE_PREFIX_PATH   where packages lie that are not installed: those unpacked by dpkg -x FILE FOLDER are found
#                       with FOLDER/usr
# Exits with 1 where a test failed or was not built, or a benchmark failed or found a wrong result; what is too slow is
# told alone.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
here=benchmarks/gpu
build=build/gpu/cmake
logs=build/gpu/logs
out=$(realpath -m -- "${OUT:-build/gpu}")
divisor=${DIVISOR:-1}
budget=${BUDGET:-480}
stages=" ${*:-build tests benchmarks peers sanitizers} "
tests=(test_cuda_operations test_cuda_models cuda_all_kernels)
benchmarks=(matrix_rate attention nearest_code encode decode training_step repeatability agreement)
failed=0

stop() { echo "all.sh: $*"; exit 1; }
wants() { [[ $stages == *" $1 "* ]]; }

for stage in $stages; do
  [[ $stage =~ ^(build|tests|benchmarks|peers|sanitizers)$ ]] || stop "no stage $stage"
done
PATH=$PATH:/usr/local/cuda/bin
unset NVIDIA_TF32_OVERRIDE  # float32 is to be float32, and tf32 tf32
gpu=$(nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2> /dev/null | head -n 1)
[[ -n $gpu ]] || stop "no GPU: nvidia-smi finds none"
for program in cmake nvcc g++; do
  command -v $program > /dev/null || stop "no $program in PATH"
done
mkdir -p "$out" $build $logs
: > "$out/log.txt"

# Lines of every program; table.awk makes the table of them.
rows=$out/rows.tsv
: > "$rows"
row() { printf 'row\t%s\t\t%s\t%s\t%s\n' "$1" "$2" "${3:-}" "${4:-}" >> "$rows"; }

# what_went_wrong LOG: the line that says it first, or else the last one.
what_went_wrong() {
  { grep -aiEm 1 '(error|wrong|failed):' "$1" || grep -av '^[[:space:]]*$' "$1" | tail -n 1; } |
    tr '\t|' '  ' | cut -c 1-160
}

# keep NAME COMMAND...: runs it, its output in NAME.log and log.txt.
keep() {
  local name=$1 status
  shift
  "$@" > $logs/"$name".log 2>&1 < /dev/null
  status=$?
  { echo "== $name: $*"; cat $logs/"$name".log; echo; } >> "$out/log.txt"
  return $status
}

# run NAME SECONDS COMMAND...: keeps it, and its lines for the table among the rows. Sets `took` and `ended`: how the
# command did.
run() {
  local name=$1 limit=$2 start=$SECONDS left=$((budget - SECONDS)) status
  shift 2
  if ((left < 2)); then
    took=0 ended="not started, $budget s are over"
    return 124
  fi
  ((limit < left)) || limit=$left
  keep "$name" timeout --kill-after=5 "$limit" "$@"
  status=$?
  took=$((SECONDS - start))
  ended=passed
  if [[ $status -eq 124 || $status -eq 137 ]]; then
    ended="not done after $limit s"
  elif [[ $status -ne 0 ]]; then
    ended="failed: $(what_went_wrong $logs/"$name".log)"
  fi
  grep -aE $'^(row|peer)\t' $logs/"$name".log >> "$rows"
  return "$status"
}

configure() {
  local generator="Unix Makefiles" missing option
  command -v ninja > /dev/null && generator=Ninja
  keep packages cmake -S $here/packages -B build/gpu/packages -G "$generator"
  missing=$(sed -n 's/^-- missing //p' $logs/packages.log | xargs)
  local packages="libxtensor-dev libxsimd-dev nlohmann-json3-dev"
  if [[ $missing =~ xtensor|xsimd|nlohmann_json ]]; then
    stop "missing $missing; apt-get install $packages, or CMAKE_PREFIX_PATH (see this file's head)"
  fi
  option=ON
  if [[ -n $missing ]]; then
    option=OFF
    row "tests" "not built: missing $missing; apt-get install doctest-dev libjpeg62-turbo-dev libpng-dev"
  fi
  local architecture
  architecture=$(sed -n 's/.*, \([0-9]*\)\.\([0-9]*\)$/\1\2/p' <<< "$gpu")
  run configure 100 cmake -S . -B $build -G "$generator" -DCMAKE_BUILD_TYPE=Release -DTESSERA_CUDA=ON \
    -DTESSERA_CUDA_UNTESTED=ON -DCMAKE_CUDA_ARCHITECTURES="${architecture:-90}-real" -DTESSERA_BUILD_TESTS=$option \
    -DTESSERA_IMAGE_IO=$option -DTESSERA_BUILD_EXAMPLES=OFF -DTESSERA_BUILD_BENCHMARKS=OFF \
    || stop "CMake $ended; see $logs/configure.log"
}

# program NAME: where it was built.
program() { find "$build" -type f -name "$1" -perm -u+x | head -n 1; }

build() {
  local targets=("${benchmarks[@]/#/gpu_}") go_on=-k
  grep -q '^TESSERA_BUILD_TESTS.*=ON' $build/CMakeCache.txt && targets+=("${tests[@]}")
  [[ -f $build/build.ninja ]] && go_on=-k0
  local name
  for name in "${tests[@]}" "${benchmarks[@]}"; do
    rm -f "$(program "$name")"  # what fails to build must not be an older one
  done
  run build "$budget" cmake --build $build -j "$(nproc)" --target "${targets[@]}" -- $go_on
  row "build, $(nproc) cores" "$ended, $took s"
}

run_tests() {
  local name path
  for name in "${tests[@]}"; do
    path=$(program "$name")
    if [[ -z $path ]]; then
      grep -q '^TESSERA_BUILD_TESTS.*=ON' $build/CMakeCache.txt && { failed=1; row "$name" "not built" "passes" no; }
      continue
    fi
    if run "$name" 120 "$path"; then
      row "$name" "passed, $took s$(counts "$name")" passes yes
    else
      failed=1
      row "$name" "$ended$(counts "$name")" passes no
    fi
  done
}

# What doctest counted.
counts() { sed -n 's/.*test cases: *\([0-9]*\) *| *\([0-9]*\) passed.*/, \2 of \1 test cases/p' $logs/"$1".log; }

# All at once: each waits for its own processor core.
run_sanitizers() {
  local check tool name
  if ! command -v compute-sanitizer > /dev/null; then
    row "compute-sanitizer" "not installed"
    return
  fi
  for check in memcheck:test_cuda_operations memcheck:test_cuda_models racecheck:test_cuda_operations; do
    tool=${check%:*} name=${check#*:}
    [[ -n $(program "$name") ]] || continue
    (
      run "$tool-$name" 120 compute-sanitizer --tool "$tool" --error-exitcode 1 "$(program "$name")"
      case $? in
        0) row "compute-sanitizer $tool, $name" "passed, $took s" "no error" yes ;;
        124 | 137) row "compute-sanitizer $tool, $name" "$ended" "no error" ;;
        *) row "compute-sanitizer $tool, $name" "$(sanitizer_says "$tool-$name")" "no error" no; exit 1 ;;
      esac
    ) &
  done
  local job
  for job in $(jobs -p); do
    wait "$job" || failed=1
  done
}
sanitizer_says() {
  local summary
  summary=$(sed -n 's/^=* *\(.*\(ERROR\|RACECHECK\) SUMMARY.*\)/\1/p' $logs/"$1".log | tail -n 1)
  echo "${summary:-$ended}"
}

run_benchmarks() {
  local name path
  for name in "${benchmarks[@]}"; do
    path=$(program "$name")
    if [[ -z $path ]]; then
      failed=1
      row "$name" "not built"
      continue
    fi
    run "$name" 120 "$path" "$divisor"
    case $? in
      0) ;;
      1) failed=1 ;;  # it has a row that says so
      *) failed=1; row "$name" "$ended" ;;
    esac
  done
}

run_peers() {
  if ! keep pytorch python3 -c 'import torch; assert torch.cuda.is_available()'; then
    row "PyTorch" "not here: $(tail -n 1 $logs/pytorch.log | cut -c 1-80)"
    return
  fi
  TORCHINDUCTOR_CACHE_DIR=$PWD/build/gpu/inductor run peers 200 python3 $here/peers.py "$divisor" && return
  local questions
  questions=$(sed -n 's/^failed: //p' $logs/peers.log | xargs)
  [[ -z $questions ]] || ended="failed: $questions"
  row "PyTorch" "$ended"
}

print_table() {
  local versions commit
  commit=$(git rev-parse --short HEAD 2> /dev/null)
  versions="CUDA $(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')"
  if wants peers; then
    versions+=$(python3 -c 'import torch; print(", PyTorch", torch.__version__)' 2> /dev/null)
  fi
  echo "${gpu%%,*}, driver $(cut -d, -f 2 <<< "$gpu" | tr -d ' '), $versions, $(date +%F)${commit:+, $commit}"
  echo
  awk -f $here/table.awk "$rows"
}

if wants build; then
  configure
  build
fi
wants tests && run_tests
wants benchmarks && run_benchmarks
wants peers && run_peers
wants sanitizers && run_sanitizers
print_table | tee "$out/table.md"
exit $failed

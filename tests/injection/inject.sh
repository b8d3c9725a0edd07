#!/usr/bin/env bash
# Lets every system call and allocation of encode, train and save fail in turn (fail.cpp) and checks what the program
# does: exit code 0 and the right files, or exit code 1, one line on stderr and the last good files; never a signal, never
# a file that is torn or left over.
# Usage: bash tests/injection/inject.sh PROGRAM LIBRARY [STRIDE [COMMANDS [CALLS]]]
# STRIDE: only every so many allocations, which are thousands; without it, each, which takes an hour.
set -euo pipefail
program=$(realpath -- "$1")
library=$(realpath -- "$2")
stride=${3:-1}
commands=${4:-encode train}
wanted=${5:-openat open fopen read write fsync linkat rename stat mkdir mmap malloc}
golden=$(cd "$(dirname "$0")/../golden" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
runs=0
terminated=0

fail() { echo "inject.sh: $*" >&2; exit 1; }

# The commands, as arrays: what is preloaded must not count the calls of a shell.
encode=("$program" encode --model "$golden/tiny_patch" "$golden/photos" -o tokens.npy)
train=("$program" train --preset tiny_patch --data "$golden/tiny_patch/input.npy" --steps 4 --batch-size 2 --ema 0.9
  --checkpoint-every 1 --sample-every 2 -o run)

# Runs a command in a folder, with call NUMBER of CALL failing; sets code and reached (whether that call was made).
run() {  # FOLDER CALL MODE NUMBER COMMAND...
  local folder=$1
  local -a variables=(TESSERA_FAIL_CALL="$2" TESSERA_FAIL_MODE="$3" TESSERA_FAIL_AT="$4" TESSERA_FAIL_REPORT="$work/failed")
  shift 4
  rm -f "$work/failed"
  code=0
  (cd "$folder" && exec env "${variables[@]}" LD_PRELOAD="$library" "$@") > "$work/out" 2> "$work/err" || code=$?
  reached=no
  [[ ! -s $work/failed ]] || reached=yes
  if [[ -f $work/failed && $(stat -c %s "$work/failed") == 9 ]]; then
    terminated=$((terminated + 1))
    [[ -z ${TESSERA_INJECT_VERBOSE-} ]] || echo "terminate: $*, call ${variables[2]}" >&2
  fi
}

# Without the finished parts of work that met a picture that cannot be read: kept on purpose, for the next call.
names() { (cd "$1" && find . -type f ! -name '.*.tessera-part' | sort); }

check_encode() {  # the file is the new one; after an error it may be the old one
  cmp -s "$1/tokens.npy" "$work/encode.new/tokens.npy" && return
  [[ $2 == 1 ]] && cmp -s "$1/tokens.npy" "$work/encode.old/tokens.npy"
}
check_train() {  # every file loads; after an error the run goes on to the same bits
  local file
  for file in model ema; do "$program" info --verify "$1/run/$file.safetensors" > /dev/null 2>&1 || return 1; done
  [[ $2 == 0 ]] || (cd "$1" && "${train[@]}") 2> /dev/null || return 1
  for file in checkpoint model ema; do
    cmp -s "$1/run/$file.safetensors" "$work/train.new/run/$file.safetensors" || return 1
  done
}

# COMMAND.old: the folder before each run; COMMAND.new: after one that nothing disturbed.
prepare() {
  mkdir "$work/encode.old" "$work/train.old"
  echo old > "$work/encode.old/tokens.npy"
  # From the ninth rename on nothing is saved: a run that ends in mid-course.
  run "$work/train.old" rename on 9 "${train[@]}"
  train+=(--resume)
  [[ $code == 1 && -s $work/train.old/run/ema.safetensors ]] || fail "no run to go on from: $(cat "$work/err")"
  local command
  for command in encode train; do
    cp -r "$work/$command.old" "$work/$command.new"
    local -n line=$command
    run "$work/$command.new" none once 0 "${line[@]}"
    [[ $code == 0 ]] || fail "$command: $(cat "$work/err")"
    cat <(names "$work/$command.old") <(names "$work/$command.new") | sort -u > "$work/$command.names"
  done
}

one() {  # COMMAND CALL MODE NUMBER
  local -n line=$1
  rm -rf "$work/now"
  cp -r "$work/$1.old" "$work/now"
  run "$work/now" "$2" "$3" "$4" "${line[@]}"
  runs=$((runs + 1))
  local what left
  what="$1, $2 $4 ($3), exit code $code: $(tail -n 3 "$work/err")"
  [[ $code == 0 || $code == 1 ]] || fail "$what"
  if [[ $code == 1 ]]; then
    [[ $(grep -c '^tessera: ' "$work/err") == 1 && $(tail -n 1 "$work/err") == tessera:* ]] || fail "$what: not one line"
  fi
  left=$(names "$work/now" | comm -23 - "$work/$1.names")
  [[ -z $left ]] || fail "$what: left over: $left"
  "check_$1" "$work/now" "$code" || fail "$what: the files are not whole"
}

prepare
for command in $commands; do
  for call in $wanted; do
    modes="once on"
    case $call in
      read | write) modes+=" eintr short" ;;
      openat | open | fsync) modes+=" eintr" ;;
    esac
    for mode in $modes; do
      step=1
      [[ $call != malloc ]] || step=$stride
      for ((number = 1; ; number += step)); do
        one "$command" "$call" "$mode" "$number"
        [[ $reached == yes ]] || break
        [[ $mode != eintr && $mode != short || $code == 0 ]] || fail "$command, $call $number ($mode): $(cat "$work/err")"
      done
      echo "$command: $call ($mode) failed at each of $(((number - 1) / step)) places"
    done
  done
done

# Where files without names are not to be had, a named one is made, and removed after every failure.
if [[ " $wanted " == *" write "* ]]; then
  export TESSERA_NO_TMPFILE=1
  for call in openat write fsync rename; do
    for ((number = 1; ; ++number)); do
      one encode "$call" once "$number"
      [[ $reached == yes ]] || break
    done
  done
fi
echo "$runs runs, each ended as it should ($terminated by std::terminate)"

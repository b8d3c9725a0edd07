#!/usr/bin/env bash
# kill -9 at random moments of training: the checkpoint always loads, and the resumed run ends with the bits of one that
# was never stopped. Usage: bash tests/program/kill.sh PROGRAM [ROUNDS]
set -euo pipefail
program=$(realpath -- "$1")
rounds=${2:-50}
golden=$(cd "$(dirname "$0")/../golden" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {  # RUN [--resume]; a checkpoint every other step, so that many kills fall into one
  exec "$program" train --preset tiny_patch --data "$golden/photos" --steps 60 --batch-size 4 --ema 0.99 \
    --checkpoint-every 2 --sample-every 0 --revive-every 10 --threads 1 -o "$@"
}
fail() { echo "kill.sh: $*" >&2; exit 1; }

start=$(date +%s%N)
(train "$work/whole") 2> "$work/log" || fail "the whole run: $(cat "$work/log")"
length=$(( ($(date +%s%N) - start) / 1000000 ))
echo "one run takes $length ms"

unbroken=0
for round in $(seq "$rounds"); do
  run=$work/run
  rm -rf "$run"
  (train "$run") 2> /dev/null &
  delay=$(( (RANDOM * 32768 + RANDOM) % length ))
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  kill -9 $! 2> /dev/null || true
  code=0
  wait $! 2> /dev/null || code=$?
  [[ $code == 137 ]] || unbroken=$((unbroken + 1))
  at=$( [[ -f $run/log.jsonl ]] && wc -l < "$run/log.jsonl" || echo 0)
  for file in model ema; do
    [[ ! -f $run/$file.safetensors ]] || "$program" info "$run/$file.safetensors" > /dev/null || fail "round $round: $file"
  done
  resume=$( [[ ! -f $run/checkpoint.safetensors ]] || echo --resume )
  (train "$run" $resume) 2> "$work/log" || fail "round $round, killed after $delay ms: $(cat "$work/log")"
  for file in checkpoint model ema; do
    cmp "$work/whole/$file.safetensors" "$run/$file.safetensors" || fail "round $round, killed after $delay ms: $file differs"
  done
  [[ $(ls -A "$run") == "$(ls -A "$work/whole")" ]] || fail "round $round: files are left: $(ls -A "$run")"
  echo "round $round: killed after $delay ms, $at steps logged; resumed to the same bits"
done
(( unbroken < rounds )) || fail "no run was killed before it ended"
echo "$rounds rounds, $((rounds - unbroken)) of them killed in mid-run: all ended with the same bits"

#!/usr/bin/env bash
# Long work that is killed (kill -9) at random moments, stopped by a signal or met by a broken picture ends, resumed,
# with the bytes of one uninterrupted run, and memory does not grow with the number of pictures.
# Usage: bash tests/program/long_work.sh PROGRAM [PICTURES [KILLS]]
set -euo pipefail
program=$(realpath -- "$1")
count=${2:-400}
kills=${3:-4}
model=$(cd "$(dirname "$0")/../golden/tiny_patch" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "long_work.sh: $*" >&2; exit 1; }

# Pictures of random tokens, up to 400 different ones, in folders of their own.
different=$(( count < 400 ? count : 400 ))
folders=$((count / different))
count=$((different * folders))
awk -v n="$different" 'BEGIN { srand(1); for (i = 0; i < n; i++) { for (k = 0; k < 16; k++) printf "%d ", rand() * 48; print "" } }' \
  > "$work/random.txt"
"$program" decode --model "$model" "$work/random.txt" -o "$work/different"
rm "$work/different/.tessera-results"
mkdir "$work/pictures"
for folder in $(seq -f %04g 0 $((folders - 1))); do cp -r "$work/different" "$work/pictures/$folder"; done
echo "$count pictures"

encode() { exec "$program" encode --threads 1 --model "$model" "$@"; }  # in a subshell
journal() { compgen -G "$work/.*.tessera-part" > /dev/null; }
wait_for_journal() {  # of process $1
  until journal || ! kill -0 "$1" 2> /dev/null; do sleep 0.005; done
}

# Memory: the peak for a tenth of the pictures and for all.
peak() {  # FILE...: KB
  local process last=0 now
  (encode -o "$work/peak.npy" "$@") & process=$!
  while now=$(awk '/VmHWM/ { print $2 }' "/proc/$process/status" 2> /dev/null) && [[ -n $now ]]; do last=$now; sleep 0.01; done
  wait "$process"
  echo "$last"
}
few=$((different / 2))
mapfile -t some < <(printf "$work/different/%06d.png\\n" $(seq 0 $((few - 1))))
small=$(peak "${some[@]}") large=$(peak "$work/pictures")
echo "peak memory: $small KB for $few pictures, $large KB for $count"
(( large < small + 3000 + count / 2 )) || fail "memory grows with the number of pictures"  # names and keys: 500 bytes each

start=$(date +%s%N)
(encode "$work/pictures" -o "$work/whole.npy")
length=$(( ($(date +%s%N) - start) / 1000000 ))
echo "one run takes $length ms"

cut=0
for round in $(seq "$kills"); do
  (encode "$work/pictures" -o "$work/out.npy") 2> "$work/log" & process=$!
  if (( round == 1 )); then
    wait_for_journal $process
  else
    delay=$(( (RANDOM * 32768 + RANDOM) % length ))
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  fi
  kill -9 $process 2> /dev/null || true
  code=0
  wait $process 2> /dev/null || code=$?
  if [[ $code == 137 ]]; then
    [[ ! -e $work/out.npy ]] || cmp "$work/whole.npy" "$work/out.npy" || fail "round $round: a part under the final name"
    if journal; then cut=$((cut + 1)); fi
    echo "round $round: killed; $(stat -c %s "$work"/.*.tessera-part 2> /dev/null || echo 0) bytes are kept"
  else
    [[ $code == 0 ]] || fail "round $round: $(cat "$work/log")"
    cmp "$work/whole.npy" "$work/out.npy" || fail "round $round: other bytes"
    rm "$work/out.npy"
  fi
done
(encode "$work/pictures" -o "$work/out.npy")
cmp "$work/whole.npy" "$work/out.npy" || fail "other bytes after $cut kills"
(( cut > 0 )) || fail "no run was killed before it ended"
if journal; then fail "kept parts of finished work are left"; fi

# A signal: exit code 3, and the same command goes on.
rm "$work/out.npy"
(encode "$work/pictures" -o "$work/out.npy") 2> "$work/log" & process=$!
wait_for_journal $process
kill -TERM $process
code=0
wait $process || code=$?
[[ $code == 3 ]] || fail "SIGTERM: exit code $code: $(cat "$work/log")"
[[ ! -e $work/out.npy && $(wc -l < "$work/log") == 1 ]] || fail "SIGTERM: $(cat "$work/log")"
grep -q "the same command goes on from there" "$work/log" || fail "SIGTERM: $(cat "$work/log")"
cat "$work/log"
(encode "$work/pictures" -o "$work/out.npy")
cmp "$work/whole.npy" "$work/out.npy" || fail "other bytes after SIGTERM"

# One broken picture among them.
(encode "$work/pictures" -o "$work/whole.txt")
folder=$((folders / 2))
at=$((folder * different + 7))
broken=$work/pictures/$(printf '%04d/000007.png' $folder)
mv "$broken" "$work/good.png"
head -c 50 "$work/good.png" > "$broken"
code=0
(encode "$work/pictures" -o "$work/out.txt") 2> "$work/log" || code=$?
[[ $code == 1 && ! -e $work/out.txt ]] || fail "one broken picture: exit code $code"
grep -q "$broken" "$work/log" || fail "the broken picture is not named: $(cat "$work/log")"
(encode "$work/pictures" -o "$work/skipped.txt" --skip-broken) 2> "$work/log"
grep -q "left out 1 of $count" "$work/log" || fail "--skip-broken: $(cat "$work/log")"
sed "$((at + 1))d" "$work/whole.txt" | cmp - "$work/skipped.txt" || fail "--skip-broken: other bytes"
mv "$work/good.png" "$broken"
(encode "$work/pictures" -o "$work/out.txt")
cmp "$work/whole.txt" "$work/out.txt" || fail "other bytes after the picture was mended"

# Through a pipe that is closed after one line: whole lines, and an end. (Whether the program sees it depends on time.)
{ timeout 100 "$program" encode --model "$model" "$work/pictures" 2> /dev/null || true; } | head -n 1 > "$work/first"
cmp <(head -n 1 "$work/whole.txt") "$work/first" || fail "the first line through a pipe"
echo "killed $cut times in mid-work, stopped, broken and mended: the same bytes"

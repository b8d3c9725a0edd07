#!/usr/bin/env bash
# keep_log.sh COMPILER ARGUMENTS... -o OBJECT ...: runs the compiler and keeps what it reports of its kernels' resources
# in OBJECT.log. What else it says goes where it would.
set -uo pipefail
object=
arguments=("$@")
for ((i = 0; i < $#; ++i)); do
  [[ ${arguments[i]} == -o ]] && object=${arguments[i + 1]}
done
log=$object.log
"$@" 2> "$log"
status=$?
grep -vE "^ptxas info|^ +[0-9]+ bytes stack frame" "$log" >&2
exit $status

#!/usr/bin/env bash
# Draws the reconstruction loss of training runs as a picture.
# Usage: bash examples/loss_curve.sh RUN/log.jsonl > curve.svg
set -euo pipefail
[[ $# == 1 && -f $1 ]] || { echo "loss_curve.sh: found '${*:-nothing}', expected the log.jsonl of a run" >&2; exit 2; }

# One point a hundredth of the run, the mean of its steps; the loss on a logarithmic axis.
sed -E 's/.*"step":([0-9]+).*"reconstruction_loss":([^,]+).*/\1 \2/' "$1" | awk '
  $2 > 0 { step[++n] = $1; loss[n] = $2 }
  END {
    width = 640; height = 240; left = 60; bottom = 30; top = 10
    points = n < 100 ? n : 100
    for (p = 1; p <= points; ++p) {
      first = int((p - 1) * n / points) + 1; last = int(p * n / points); sum = 0
      for (i = first; i <= last; ++i) sum += loss[i]
      x[p] = step[last]; y[p] = sum / (last - first + 1)
      if (p == 1 || y[p] < low) low = y[p]
      if (p == 1 || y[p] > high) high = y[p]
    }
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"11\">\n", width, height
    print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    for (tick = 1e-6; tick <= high * 1.3; tick *= 10) {
      for (m = 1; m <= 5; m = m == 1 ? 2 : m == 2 ? 5 : 10) {
        if (m * tick < low / 1.3 || m * tick > high * 1.3) continue
        at = place(m * tick)
        printf "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", left, at, width - 10, left - 5, at + 4, m * tick
      }
    }
    printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">step %d</text>\n", width - 10, height - 10, step[n]
    printf "<text x=\"%d\" y=\"%d\">reconstruction loss</text>\n", left, height - 10
    printf "<polyline fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\" points=\""
    for (p = 1; p <= points; ++p) printf "%.1f,%.1f ", left + (width - left - 10) * x[p] / step[n], place(y[p])
    print "\"/>\n</svg>"
  }
  function place(value) { return top + (height - top - bottom) * log(high * 1.3 / value) / log(high * 1.69 / low) }'

# table.awk: what the programs of this folder and peers.py print -> the rows of a Markdown table. Lines are, between tabs:
#   row   name  milliseconds  found  target  met      milliseconds, target and met may be empty
#   peer  name  mode  milliseconds                    PyTorch's, of the same name; mode: eager or compile
# A target "1.3 x torch.compile", or "3 x PyTorch" for its best, is met where the peer takes so many times as long.
BEGIN { FS = "\t" }

$1 == "row" {
  names[++count] = $2
  milliseconds[count] = $3
  found[count] = $4
  target[count] = $5
  met[count] = $6
}

$1 == "peer" {
  peer[$2, $3] = $4
  if (!(($2, "best") in peer) || $4 + 0 < peer[$2, "best"] + 0) peer[$2, "best"] = $4
}

function beside(name, mode, own) {
  if (!((name, mode) in peer)) return ""
  return sprintf("%s ms%s", peer[name, mode], own > 0 ? sprintf(" (%.1f x)", peer[name, mode] / own) : "")
}

function verdict(i,    against, factor) {
  if (met[i] != "" || target[i] !~ / x /) return met[i]
  against = target[i] ~ /compile/ ? "compile" : "best"
  if (!((names[i], against) in peer)) return "not compared"
  factor = peer[names[i], against] / milliseconds[i]
  return factor >= target[i] + 0 ? "yes" : "no"
}

END {
  if (count == 0) exit
  print "| | time | found | target | met | PyTorch | torch.compile |"
  print "|---|---|---|---|---|---|---|"
  for (i = 1; i <= count; ++i) {
    printf "| %s | %s | %s | %s | %s | %s | %s |\n", names[i], milliseconds[i] == "" ? "" : milliseconds[i] " ms", found[i],
      target[i], verdict(i), beside(names[i], "eager", milliseconds[i]), beside(names[i], "compile", milliseconds[i])
  }
}

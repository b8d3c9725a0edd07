#!/usr/bin/env bash
# Fetches the photographs of examples/photos.tsv from Debian 12's packages (installing none of them) and lays them out as
# FOLDER/train, FOLDER/validation and FOLDER/heldout. Running it again fetches only what is missing.
# Usage: bash examples/photos.sh [FOLDER]      (default: photos; about 230 MB are downloaded; needs dwebp, package webp)
set -euo pipefail
list=$(cd "$(dirname "$0")" && pwd)/photos.tsv
mkdir -p "${1:-photos}"
out=$(cd "${1:-photos}" && pwd)

fail() { echo "photos.sh: $*" >&2; exit 1; }

unpack() {  # PACKAGE: leaves its files under $work/PACKAGE
  [[ -d $work/$1 ]] && return
  echo "fetching $1"
  (cd "$work" && apt-get -qq download "$1" 2> download.log) ||
    fail "$1: $(tail -n 1 "$work/download.log") (does Debian 12 have it? try apt-get update)"
  dpkg-deb -x "$work/${1}"_*.deb "$work/$1.part" || fail "$1: found a broken package, expected a .deb"
  rm -f "$work/${1}"_*.deb
  mv "$work/$1.part" "$work/$1"
}

extract() {  # PACKAGE PATH FILE: PATH may end in @offset+bytes
  local source=$work/$1/${2%@*}
  [[ -f $source ]] || fail "$1: found no $2, expected the version that Debian 12 ships"
  if [[ $2 == *@* ]]; then
    local range=${2##*@}
    tail -c +$((${range%+*} + 1)) "$source" | head -c "${range#*+}" > "$3" || true
  else
    cp "$source" "$3"
  fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
count=0
while IFS=$'\t' read -r split name package path sha256 _; do
  [[ $split == \#* || -z $split ]] && continue
  file=$out/$split/$name
  count=$((count + 1))
  # The checksum is the source's, so each picture's source is remembered: a WebP becomes a PNG here.
  source=$out/.sources/$split/$name
  if [[ -f $file && -f $source && $(< "$source") == "$sha256" ]]; then continue; fi
  unpack "$package"
  mkdir -p "$out/$split"
  extract "$package" "$path" "$work/picture"
  found=$(sha256sum < "$work/picture")
  [[ $found == "$sha256  -" ]] || fail "$package: $path: found sha256 ${found%  -}, expected $sha256"
  if [[ $path == *@* ]]; then
    command -v dwebp > /dev/null || fail "found no dwebp, expected the Debian package webp (apt-get install webp)"
    dwebp -quiet "$work/picture" -o "$work/picture.png" || fail "$name: dwebp cannot read it"
    mv "$work/picture.png" "$file"
  else
    mv "$work/picture" "$file"
  fi
  mkdir -p "$out/.sources/$split"
  echo "$sha256" > "$source"
done < "$list"
echo "$count photographs in $out/{train,validation,heldout}"

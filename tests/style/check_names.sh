#!/usr/bin/env bash
# check_names.sh ROOT: what docs/ and the folders' READMEs name is there.
#   * a code span that is a path of the tree (`kernels/rms_norm.h`) leads to a file or a folder
#   * each row of docs/tour.md, | `file` | `function` |, names a function of that file
#   * a code span of docs/architecture.md that is one name of the code (`require_centre`, `Loader::step`) stands in the
#     sources
# Prints the offenders; exit status 1 if there are any.
set -uo pipefail
cd "${1:?usage: check_names.sh ROOT}" || exit 2
bad=0
complain() { echo "$1"; bad=1; }
spans() {
  awk '/^ *```/ { code = !code; next }
       !code { n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print part[i] }' "$1"
}

seen=0
for page in README.md docs/*.md docs/*/*.md */README.md */*/README.md; do
  while read -r path; do
    seen=$((seen + 1))
    [[ -e $path || -e $(dirname "$page")/$path ]] || complain "$page: no $path"
  done < <(spans "$page" |
             grep -E '^(apps|cmake|docs|engine|kernels|models|nn|optim|tests)/[A-Za-z0-9_./]*[a-z]$' | sort -u)
done
((seen > 50)) || complain "only $seen paths were found in the pages: does this check still read them?"

rows=0
while IFS='|' read -r _ file name _; do
  file=${file//[\` ]/} name=${name//[\` ]/}
  [[ $file == */* ]] || continue
  rows=$((rows + 1))
  grep -qE "\b$name *(<[^>]*>)?\(" "$file" 2>/dev/null || complain "docs/tour.md: no $name in $file"
done < docs/tour.md
((rows > 20)) || complain "only $rows rows were found in docs/tour.md"

words=$(find apps cmake engine kernels models nn optim tests CMakeLists.txt -type f \
          \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cmake' -o -name '*.txt' \) \
          -exec grep -ohE '[A-Za-z_][A-Za-z0-9_]*' {} + | sort -u)
names=0
while read -r name; do
  names=$((names + 1))
  grep -qxF -- "$name" <<<"$words" || complain "docs/architecture.md: $name is nowhere in the sources"
done < <(spans docs/architecture.md | grep -E '^[A-Za-z_][A-Za-z0-9_:]*(\(.*\))?$' | sed -E 's/\(.*//; s/.*:://' |
           grep -E '[_A-Z]' | sort -u)
((names > 30)) || complain "only $names names were found in docs/architecture.md"
exit $bad

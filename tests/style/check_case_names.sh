#!/usr/bin/env bash
# check_case_names.sh BIN [ROOT]: every pattern that CMake, a script or a page gives to -tc or -tce fits a test case of
# the programs BIN/tests_*. One that fits none leaves out nothing, or runs nothing. Exit status 1 if there is one.
set -uo pipefail
bin=$(realpath "${1:?usage: check_case_names.sh BIN [ROOT]}") || exit 2
cd "${2:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2
shopt -s nocasematch  # as doctest has it
names=()
for program in "$bin"/tests_*; do
  [[ $program != *_races && -x $program ]] || continue
  mapfile -t -O "${#names[@]}" names < <("$program" --list-test-cases --no-skip | grep -vE '^(\[doctest\]|=+$)')
done
[[ ${#names[@]} -gt 0 ]] || { echo "no test case in $bin"; exit 1; }

# The arguments, one a line, with continued lines joined.
arguments() {
  sed ':a; /\\$/ { N; s/\\\n//; ba }' "$1" | grep -oE -- "-tce?=('[^']+'|[^'\"\`)]+)" | sed -E "s/^-tce?=//; s/'//g"
}
bad=0 count=0
for file in README.md docs/*.md tests/README.md tests/CMakeLists.txt tests/*.sh; do
  while IFS= read -r patterns; do
    [[ $patterns != '$'* ]] || continue
    IFS=, read -ra each <<<"$patterns"
    for pattern in "${each[@]}"; do
      ((++count))
      found=
      for name in "${names[@]}"; do
        # shellcheck disable=SC2053
        [[ $name == $pattern ]] && found=1 && break
      done
      [[ -n $found ]] || { echo "$file: no test case fits $pattern"; bad=1; }
    done
  done < <(arguments "$file")
done
((count > 0)) || { echo "no pattern was found"; bad=1; }
exit $bad

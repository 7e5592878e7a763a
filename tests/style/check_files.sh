#!/usr/bin/env bash
# check_files.sh ROOT: files of at most 500 lines, lines of at most 120 characters (Python 140), no tabs, no spaces at
# line ends, no folder README of more than 15 lines, no path of somebody's machine, and no name of a structured binding
# in CAPTURE or INFO, which are lambdas: clang does not let them have it before version 16.
set -uo pipefail
cd "${1:?usage: check_files.sh ROOT}" || exit 2
sources=$(find kernels engine nn optim models apps tests cmake -type f \
            \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.sh' -o -name '*.py' \
               -o -name '*.cmake' -o -name CMakeLists.txt \) -not -path '*/__pycache__/*' | sort) || exit 2
[[ -n $sources ]] || { echo "no sources in $1"; exit 2; }
report=$(
  # shellcheck disable=SC2086
  LC_ALL=C awk '
    FNR > 500 && !told[FILENAME]++ { print FILENAME ": more than 500 lines" }
    /[ \t]$/ { print FILENAME ":" FNR ": white space at the end of the line" }
    /\t/ { print FILENAME ":" FNR ": a tab" }
    { gsub(/[\200-\277]/, "") }  # bytes that continue a character of UTF-8
    length($0) > (FILENAME ~ /[.]py$/ ? 140 : 120) { print FILENAME ":" FNR ": " length($0) " characters" }
    { indent = match($0, /[^ ]/) - 1 }
    FNR == 1 || indent >= 0 && indent < scope { scope = 0 }
    scope && /(CAPTURE|INFO)\(/ {
      said = $0
      gsub(/"[^"]*"/, "", said)
      for (i in bound) if (said ~ "[^A-Za-z0-9_.>]" bound[i] "[^A-Za-z0-9_]")
        print FILENAME ":" FNR ": " bound[i] " is of a structured binding, which clang 14 does not capture"
    }
    match($0, /auto&* \[[^]]+\]/) {
      names = substr($0, RSTART, RLENGTH)
      gsub(/^[^[]*\[|[],]/, " ", names)
      split(names, bound, " ")
      scope = indent + ($0 ~ /^ *for /)
    }' $sources
  find kernels engine nn optim models apps tests -name README.md -not -path '*/golden/*' -exec awk '
    FNR == 16 { print FILENAME ": more than 15 lines" }' {} +
  # Written so that this line does not find itself.
  place='(^|[^A-Za-z0-9_.])/(home|Users|root|work|tmp/[A-Za-z0-9_]+)[/]'
  grep -rnIE "$place" $sources README.md docs .ci cmake 2>/dev/null |
    grep -vE 'check_files\.sh'
)
[[ -z $report ]] || { printf '%s\n' "$report"; exit 1; }

#!/usr/bin/env bash
# check_format.sh ROOT: C++ and CUDA sources are laid out as clang-format 14 (Debian 12's) lays them out with
# .clang-format. Prints the offenders; exit status 1 if there are any, 77 (skipped) without that program.
set -uo pipefail
cd "${1:?usage: check_format.sh ROOT}" || exit 2
for program in clang-format-14 clang-format; do
  "$program" --version 2>/dev/null | grep -q 'version 14\.' && break
  program=
done
[[ -n $program ]] || { echo "skipped: clang-format 14 is not installed"; exit 77; }
mapfile -t sources < <(find engine kernels nn optim models apps tests -type f \
                         \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \))
[[ ${#sources[@]} -gt 0 ]] || { echo "no sources in $1"; exit 2; }
"$program" --dry-run -Werror "${sources[@]}"

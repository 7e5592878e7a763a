#!/usr/bin/env bash
# check_includes.sh ROOT: a layer includes only what is to its right; models and optim do not know each other.
#     apps -> models, optim -> nn -> engine -> kernels
# Inside engine a file includes only what stands before it in engine/README.md's list. CUDA's headers stay in
# kernels/cuda, xtensor out of headers, and the environment is read in one place.
set -uo pipefail
cd "${1:?usage: check_includes.sh ROOT}" || exit 2
bad=0

# allow LAYER WHAT [FILES]: what the folder, or these files of it, may include
allow() {
  local layer=$1 allowed=$2 files=${3:-$1} found
  # shellcheck disable=SC2086
  found=$(grep -rnE '^#include "(apps|models|optim|nn|engine|kernels|tests)/' $files \
            --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh' --include='*.inc' |
          grep -vE "#include \"($allowed)[/.]")
  if [[ -n $found ]]; then
    printf '%s\n%s includes only %s\n' "$found" "$layer" "${allowed//|/, }"
    bad=1
  fi
}
allow kernels 'kernels'
allow engine 'engine|kernels'
allow nn 'nn|engine|kernels'
allow optim 'optim|nn|engine|kernels'
allow models 'models|nn|engine|kernels'
allow apps 'apps|models|optim|nn|engine|kernels'

before=kernels
for part in $(sed -nE 's/^[0-9]\. //p' engine/README.md | grep -oE '`[a-z_]+/?`' | tr -d '`/'); do
  files=$(find engine -path "engine/$part.*" -o -path "engine/$part/*.*")
  [[ -n $files ]] || continue  # a word that is no file
  before+="|engine/$part"
  allow "engine/$part" "$before" "$files"
  listed+=$files$'\n'
done
unlisted=$(find engine -name '*.h' -o -name '*.cpp' | sort | comm -23 - <(sort <<< "${listed:-}"))
if [[ -n $unlisted ]]; then
  printf '%s\nengine/README.md says the place of every file in the order of includes\n' "$unlisted"
  bad=1
fi

outside() {
  local found
  found=$(grep -rnE "$1" kernels engine nn optim models apps --include='*.h' --include='*.cpp' --include='*.cu' \
            --include='*.cuh' | grep -vE "$2")
  if [[ -n $found ]]; then
    printf '%s\n%s\n' "$found" "$3"
    bad=1
  fi
}
outside '#include <(cuda|cublas|cudnn|nccl)[A-Za-z_]*\.h' '^kernels/(cuda|lab)' \
  'CUDA headers appear only in kernels/cuda'
outside '\bgetenv\b' '^kernels/common/environment\.cpp' 'the environment is read in kernels/common/environment.cpp'
outside '#include "kernels/reference/' '^kernels/reference/' 'kernels/reference is for tests'
outside '#include <(xtensor|xtl|xsimd)/' '\.cpp:|^[^:]*xtensor\.h:' 'xtensor stays out of headers'

# What is checked above must be there, and be written so that it is seen.
for layer in kernels engine nn optim models apps; do
  all=$(grep -rnE '^ *# *include *"' "$layer" --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh')
  [[ -n $all ]] || { echo "no includes in $layer"; bad=1; }
  found=$(grep -vE '^[^:]+:[0-9]+:#include "(apps|models|optim|nn|engine|kernels|tests)/' <<<"$all")
  [[ -z $found ]] || { printf '%s\nincludes begin their line, with the path from the root\n' "$found"; bad=1; }
done
exit $bad

#!/usr/bin/env bash
# check_includes.sh ROOT: a layer includes only what is to its right; models and optim do not know each other.
#     apps -> models, optim -> nn -> engine -> kernels
# CUDA's headers stay in kernels/cuda and the few files that own streams and memory; xtensor stays out of headers.
set -uo pipefail
cd "$1" || exit 2
bad=0

# what LAYER may include
allow() {
  local layer=$1 allowed=$2 found
  found=$(grep -rnE '^#include "(apps|models|optim|nn|engine|kernels|tests)/' "$layer" \
            --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh' --include='*.inc' |
          grep -vE "#include \"($allowed)/")
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

outside() {
  local found
  found=$(grep -rnE "$1" kernels engine nn optim models apps --include='*.h' --include='*.cpp' | grep -vE "$2")
  if [[ -n $found ]]; then
    printf '%s\n%s\n' "$found" "$3"
    bad=1
  fi
}
outside '#include <(cuda|cublas|cudnn|nccl)[A-Za-z_]*\.h' '^(kernels/cuda|engine/cuda)' \
  'CUDA headers appear only in kernels/cuda and in the engine files named cuda...'
outside '#include <(xtensor|xtl|xsimd)/' '\.cpp:|^[^:]*xtensor\.h:' 'xtensor stays out of headers'

# What is checked above must be there, and be written so that it is seen.
for layer in kernels engine nn optim models apps; do
  all=$(grep -rnE '^ *# *include *"' "$layer" --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh')
  [[ -n $all ]] || { echo "no includes in $layer"; bad=1; }
  found=$(grep -vE '^[^:]+:[0-9]+:#include "(apps|models|optim|nn|engine|kernels|tests)/' <<<"$all")
  [[ -z $found ]] || { printf '%s\nincludes begin their line, with the path from the root\n' "$found"; bad=1; }
done
exit $bad

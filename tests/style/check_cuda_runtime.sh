#!/usr/bin/env bash
# check_cuda_runtime.sh FILE...: programs and libraries that use the CUDA runtime share one, libcudart.so: none holds a
# copy of its own, in which another's kernels are unknown. Prints each that does; exit status 1 if one does, or if no
# FILE names the shared one.
set -uo pipefail
: "${1:?usage: check_cuda_runtime.sh FILE...}"
bad=0 shared=0
for file in "$@"; do
  [[ -f $file ]] || { echo "no such file: $file"; exit 2; }
  if nm --defined-only "$file" 2>/dev/null | grep -E ' [tT] (cudaLaunchKernel|cudaMalloc)$' >/dev/null; then
    echo "$file holds a CUDA runtime of its own"
    bad=1
  fi
  if readelf -d "$file" | grep 'NEEDED.*libcudart\.so' >/dev/null; then shared=$((shared + 1)); fi
done
((shared > 0)) || { echo "none of $* needs libcudart.so"; exit 1; }
exit $bad

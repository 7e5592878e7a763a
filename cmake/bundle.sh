#!/usr/bin/env bash
# bundle.sh SOURCE BUILD OUT PROGRAM...: what tests/gpu.sh needs on another machine, in one folder: the programs,
# stripped; the shared libraries they need that are neither CUDA's nor glibc's; reference files. At most 50 MB, and
# kernels of one GPU generation only (LOWLAND_CUDA_ARCHITECTURES of the build).
set -euo pipefail
source=$1 build=$2 out=$3
shift 3
rm -rf "$out"
mkdir -p "$out/bin" "$out/lib" "$out/golden" "$out/peers" "$out/tests/golden" "$out/docs/derivations"
for program in "$@"; do
  [[ -x $build/bin/$program ]] || { echo "bundle: $build/bin/$program is not built"; exit 1; }
  strip -o "$out/bin/$program" "$build/bin/$program"
  ldd "$build/bin/$program" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }'
done | sort -u | while read -r name file; do
  case $name in
    libcuda*|libcublas*|libcudnn*|libnccl*|libnv*|libc.so*|libm.so*|libdl.so*|libpthread.so*|librt.so*|ld-linux*) ;;
    *) cp -L "$file" "$out/lib/$name"; strip --strip-unneeded "$out/lib/$name" 2>/dev/null || true ;;
  esac
done
cp "$source/tests/gpu.sh" "$out/"
cp "$source"/tests/golden/eflat_*.json "$out/golden/"
cp -r "$source/tests/golden/roberta_tiny" "$source/tests/golden/llama_tiny" "$out/tests/golden/"
cp "$source/docs/derivations/walk_a_step.md" "$out/docs/derivations/"
cp "$source"/tests/peers/*.py "$out/peers/"
bytes=$(du -sb "$out" | cut -f1)
echo "bundle: $((bytes / 1000000)) MB in $out"
((bytes <= 50000000)) || { echo "bundle: more than 50 MB"; exit 1; }

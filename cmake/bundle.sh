#!/usr/bin/env bash
# bundle.sh [--files] SOURCE BUILD OUT PROGRAM...: what tests/gpu.sh needs on another machine, in one folder: gpu.sh
# itself, and files.tar.xz, which it unpacks there: the programs, stripped; the shared libraries they need that are
# neither CUDA's nor glibc's (in lib-cxx the compiler's, for a machine whose own are older); reference files. At most
# 50 MB, and kernels of one GPU generation only (LOWLAND_CUDA_ARCHITECTURES of the build). --files: the folder `files`
# in the place of its archive, which takes seconds only: tests run there.
set -euo pipefail
archive=yes
if [[ ${1:-} == --files ]]; then archive=no; shift; fi
[[ $# -gt 3 ]] || { echo "usage: $0 [--files] SOURCE BUILD OUT PROGRAM..." >&2; exit 2; }
source=$1 build=$2 out=$3
shift 3
rm -rf "$out"
files=$out/files
mkdir -p "$files"/{bin,lib,lib-cxx,peers,tests/golden/images,docs/derivations}
for program in "$@"; do
  [[ -x $build/bin/$program ]] || { echo "bundle: $build/bin/$program is not built"; exit 1; }
  strip -o "$files/bin/$program" "$build/bin/$program"
  ldd "$build/bin/$program" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }'
done | sort -u | while read -r name file; do
  case $name in
    libcuda*|libcublas*|libcudnn*|libnccl*|libnv*|libc.so*|libm.so*|libdl.so*|libpthread.so*|librt.so*|ld-linux*)
      continue ;;
    libstdc++*|libgcc_s*) to=$files/lib-cxx/$name ;;
    *) to=$files/lib/$name ;;
  esac
  cp -L "$file" "$to"
  strip --strip-unneeded "$to" 2>/dev/null || true
done
cp "$source/tests/gpu_runs.sh" "$files/"
cp "$source"/tests/golden/{eflat_*,bf16_bounds,lengths,methods,sampling}.json "$files/tests/golden/"
cp -r "$source"/tests/golden/{{roberta,bert,distilbert,gpt2,llama,vlm}_tiny,classifiers} \
  "$files/tests/golden/"
cp -r "$source"/tests/golden/{llama_variants,tokenizer_small} \
  "$files/tests/golden/"
cp "$source"/tests/golden/images/*.{png,jpg} "$files/tests/golden/images/"
cp "$source/docs/derivations/walk_a_step.md" "$files/docs/derivations/"
cp "$source"/tests/peers/{timing.py,*_gpu.py,rte_lengths.json} "$files/peers/"
cp "$source/tests/gpu.sh" "$out/"
if [[ $archive == no ]]; then exit 0; fi
unpacked=$(du -sb "$files" | cut -f1)
tar -C "$out" -cf - files | xz -T0 >"$out/files.tar.xz"
rm -rf "$files"
bytes=$(du -sb "$out" | cut -f1)
echo "bundle: $((bytes / 1000000)) MB in $out, $((unpacked / 1000000)) MB unpacked"
((bytes <= 50000000)) || { echo "bundle: more than 50 MB"; exit 1; }

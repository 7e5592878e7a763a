#!/usr/bin/env bash
# check_cuda_kernels.sh LIBRARY [ROOT]: every kernel that kernels/*.h declares is in the CUDA backend, so that the
# engine links. Of a template, the element types that the CPU has, and bf16 besides; the kernels of the update work on
# f32 masters and need no bf16. LIBRARY: the library of the kernels, not stripped. Prints what is missing; exit status 1
# if anything is.
set -uo pipefail
library=$(realpath "${1:?usage: check_cuda_kernels.sh LIBRARY [ROOT]}") || exit 2
cd "${2:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2
[[ -f $library ]] || { echo "no such file: $library"; exit 2; }
masters=" $(grep -rhoE 'LL_LAUNCH_MASTER\([^,]*, [a-z_0-9]+' --include='*.cpp' engine nn optim |
              sed 's/.* //' | tr '\n' ' ')"

# What is declared, one a line: header, name, number of template parameters.
declared=$(awk '
  /^LL_KERNELS\(/ { on = 1 }
  /^\)/ { on = 0 }
  on && !/^ *\/\// && /\(Ctx&/ {
    name = $0
    sub(/\(Ctx&.*/, "", name)
    sub(/.*void /, "", name)
    print FILENAME, name, gsub(/class /, "")
  }' kernels/*.h)
[[ -n $declared ]] || { echo "no declarations found in kernels/*.h"; exit 1; }

# What is defined, one a line: `cuda rope_forward<bf16>`, `cpu_v3 set_step`.
defined=$(nm -C --defined-only "$library" 2>/dev/null | awk '$2 == "T" || $2 == "W"' |
            grep -oE 'lowland::(cuda|cpu_v3)::[a-z_0-9]+(<[^()]*>)?\(lowland::Ctx&' |
            sed -E 's/^lowland::([a-z_0-9]+)::/\1 /; s/\(lowland::Ctx&$//; s/lowland:://g' | sort -u)
has() { grep -qxF "$1" <<<"$defined"; }

bad=0
need() {  # header, kernel
  has "cuda $2" && return
  echo "$1: $2 is declared, but the CUDA library has no such kernel"
  bad=1
}
while read -r header name parameters; do
  if [[ $parameters == 0 ]]; then
    need "$header" "$name"
    continue
  fi
  while read -r of_cpu; do
    need "$header" "${of_cpu#cpu_v3 }"
  done < <(grep -E "^cpu_v3 $name<" <<<"$defined" || echo "cpu_v3 $name<float>")
  if [[ $parameters == 1 && $masters != *" $name "* ]]; then
    need "$header" "$name<bf16>"
  fi
done <<<"$declared"
exit $bad

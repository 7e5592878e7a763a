#!/bin/sh
# check_kernel_symbols.sh OBJECT...: the CPU kernels are compiled for newer processors than the rest of the
# program. A function that they share with it (a template of the standard library, an inline function of a
# header) is a weak symbol: the linker keeps one copy for all, and if that is theirs, the program dies on an
# older processor. So the weak symbols in the objects of kernels/cpu must carry the namespace of their
# instruction set, cpu_v3 or cpu_v4. Prints the offenders; exit status 1 if there are any.
set -eu
[ $# -gt 1 ] || { echo "usage: $0 OBJECT OBJECT..." >&2; exit 2; }

symbols=$(nm "$@") || { echo "nm cannot read all of them" >&2; exit 2; }

# nm of several: `object.o:`, then lines of `address type name`; undefined symbols have no address. W:
# weak function. (V and u are weak data, which run on any processor; the function of clang ends the
# program anyway.)
printf '%s\n' "$symbols" | awk -v objects=$# '
  /^[^ ]+\.o:$/ { finish(); object = $1; count = 0; v3 = 0; v4 = 0; next }
  NF >= 3 {
    if ($3 ~ /cpu_v3/) v3++
    if ($3 ~ /cpu_v4/) v4++
    if ($2 == "W" && $3 != "__clang_call_terminate") weak[count++] = $3
  }
  END {
    finish()
    if (kernels != objects) { print kernels + 0 " of " objects " objects are kernels of cpu_v3 or cpu_v4"; bad = 1 }
    exit bad
  }
  function finish(   i, own) {
    if (!v3 && !v4) return
    kernels++
    own = v4 > v3 ? "cpu_v4" : "cpu_v3"
    for (i = 0; i < count; i++)
      if (weak[i] !~ own) { print object " (" own "): weak symbol " weak[i]; bad = 1 }
  }'

#!/usr/bin/env bash
# check_checks.sh [CXX]: the checks of this folder can fail. Each is given a small tree that it accepts, and then that
# tree with one thing wrong, which it must refuse. Exit status 1 if a check does otherwise.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cxx=${1:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
bad=0

plant() {  # the tree, as it should be
  rm -rf tree && mkdir tree && cd tree || exit 2
  mkdir -p kernels/cpu engine/ops nn optim models apps/data tests/{ops,data,consumer} cmake docs/more .ci
  for layer in kernels engine nn optim models apps tests; do
    printf '#pragma once\n#include "kernels/a.h"\n' >$layer/a.h
    echo "# $layer" >$layer/README.md
  done
  printf '1. `a`\n2. `ops`\n' >engine/README.md
  touch kernels/cpu/rms_norm.cpp engine/ops/{rms_norm.cpp,ops.h} tests/ops/rms_norm_test.cpp
  echo 'void rms_norm();' >kernels/rms_norm.h
  echo 'int main() {}' >tests/consumer/one_step.cpp
  printf '# A project\n[docs](docs/cli.md)\n```cpp\nint main() {}\n```\n' >README.md
  printf "# Flags\n\`--rank\` and [more](more/page.md#a-part)\n\`lowland-roberta finetune --rank 8\`\n" >docs/cli.md
  printf '# An op\n```cpp\nvoid rms_norm();\n```\n' >docs/add_an_op.md
  printf '# A task\n```cpp\nint boolq;\n```\n' >docs/add_a_task.md
  printf '# A method\n```cpp\nint method;\n```\n' >docs/add_a_method.md
  printf '# A model\n```cpp\nint model;\n```\n' >docs/add_a_model.md
  mkdir -p optim apps/settings models/roberta
  echo 'int model;' | tee models/roberta/{kind.cpp,config.cpp,roberta.cpp} >models/roberta/family.cpp
  echo 'int method;' | tee optim/{flat_lora.h,methods.cpp,optimizer.h,optimizer.cpp} >apps/settings/settings.cpp
  echo 'int boolq;' | tee apps/data/task_table.cpp >tests/data/load_task_test.cpp
  touch CMakeLists.txt
  for i in {10..70}; do  # what check_names.sh reads, and as much as it wants to see
    echo "void do_$i();" >kernels/n$i.h
    echo "\`kernels/n$i.h\`" >>docs/more/page.md
    echo "| \`kernels/n$i.h\` | \`do_$i\` |" >>docs/tour.md
    echo "\`do_$i()\`" >>docs/architecture.md
  done
  printf '# More\n## A part\n' >docs/more/page.md
  cp "$here/../../.clang-format" .
  cat >program <<'SH'
#!/bin/sh
case $1 in
  --help) printf "Subcommands:\n  finetune  trains\n" ;;
  *) printf "  -h,--help  this\n  --rank N\n" ;;
esac
SH
  chmod +x program
  cd ..
}
check() {  # check NAME: the script over the tree
  case $1 in
    docs) bash "$here/check_docs.sh" tree/program tree ;;
    kernel_symbols) sh "$here/check_kernel_symbols.sh" one.o two.o ;;
    *) bash "$here/check_$1.sh" tree ;;
  esac >output 2>&1
}
accepts() {
  plant
  check "$1" && return
  [[ $? == 77 ]] && return 77  # a tool that is not here
  echo "check_$1.sh refuses a tree that is as it should be:"
  cat output
  bad=1
}
refuses() {  # refuses NAME COMMAND: what the command, run in the tree, has made wrong
  plant
  (cd tree && eval "$2") || exit 2
  check "$1" || return
  echo "check_$1.sh lets pass: $2"
  bad=1
}

accepts includes
for wrong in 'echo "#include \"apps/a.h\"" >>nn/a.h' 'echo "#include \"models/a.h\"" >>optim/a.h' \
             'echo "  #include \"tests/a.h\"" >>apps/a.h' 'echo "#include \"a.h\"" >>engine/a.h' \
             'echo "#include <cuda_runtime.h>" >>engine/a.h' 'echo "#include <xtensor/xarray.hpp>" >>nn/a.h' \
             'echo "#include \"engine/ops/ops.h\"" >>engine/a.h' 'echo "int x;" >engine/b.h' \
             'echo "getenv(x);" >>nn/a.h' 'rm -r optim'; do
  refuses includes "$wrong"
done
accepts files
for wrong in 'printf "%0121d\n" 0 >>nn/a.h' 'printf "\tint x;\n" >>nn/a.h' 'echo "int x; " >>nn/a.h' \
             'seq 501 >nn/b.cpp' 'seq 16 >nn/README.md' 'echo "// /ho""me/me/x" >>nn/a.h' \
             'echo "see /t""mp/mine/x" >>README.md' 'rm -r */' \
             'printf "  for (auto& [a, b] : x) {\n    CAPTURE(b);\n  }\n" >>tests/a.h'; do
  refuses files "$wrong"
done
accepts readme
for wrong in 'rm docs/cli.md' 'echo "[x](docs/none.md)" >>README.md' 'echo "// more" >>tests/consumer/one_step.cpp' \
             'sed -i /main/d README.md'; do
  refuses readme "$wrong"
done
accepts docs
for wrong in 'echo "[x](none.md)" >>docs/cli.md' 'echo "[x](more/page.md#another)" >>docs/cli.md' \
             'sed -i "s/finetune --rank/train --rank/" docs/cli.md' 'sed -i "s/--rank 8/--rnk 8/" docs/cli.md' \
             'sed -i "s/--rank N/--rank N\\\\n  --seed N/" program' 'sed -i s/Subcommands/Verbs/ program' \
             'echo "void layer_norm();" >kernels/rms_norm.h' 'sed -i /rms_norm/d docs/add_an_op.md' \
             'sed -i /boolq/d apps/data/task_table.cpp tests/data/load_task_test.cpp'; do
  refuses docs "$wrong"
done
accepts names
for wrong in 'rm kernels/n10.h' 'sed -i s/do_20/does_20/ kernels/n20.h' 'rm docs/tour.md' 'rm docs/architecture.md' \
             'echo "\`nn/none.h\`" >>README.md' 'echo "\`NoSuchName\`" >>docs/architecture.md'; do
  refuses names "$wrong"
done
if accepts format; then
  refuses format 'echo "int   x;" >>nn/a.h'
  refuses format 'rm -r */'
fi

# Objects of kernels: a function that all share, one that carries the namespace, no kernel at all.
object() { echo "$2" | "$cxx" -x c++ -c -o "$1" - || exit 2; }
object one.o 'namespace cpu_v3 { template <class T> T half(T x) { return x / 2; } int f(int x) { return half(x); } }'
object two.o 'namespace cpu_v4 { void g() {} }'
accepts kernel_symbols
object two.o 'template <class T> T half(T x) { return x / 2; } namespace cpu_v4 { int g(int x) { return half(x); } }'
refuses kernel_symbols true
object two.o 'void g() {}'
refuses kernel_symbols true
refuses kernel_symbols 'rm ../two.o'

# A script that wants arguments says so where it gets none.
scripts=0
for script in $(find "$here"/../../{apps,cmake,tests} -name '*.sh'); do
  name=$(basename "$script")
  grep -qE "^#.*\\b${name//./\\.} [A-Z]" "$script" || continue
  scripts=$((scripts + 1))
  if timeout 20 bash "$script" </dev/null >output 2>&1; then
    echo "$script needs arguments, and runs without them"
    bad=1
  elif ! grep -q 'usage: .*[A-Z]' output; then
    echo "$script does not say its usage:"
    head -n 3 output
    bad=1
  fi
done
((scripts >= 12)) || { echo "only $scripts scripts say in their first lines what they want"; bad=1; }
exit $bad

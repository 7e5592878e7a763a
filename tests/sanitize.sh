#!/usr/bin/env bash
# sanitize.sh [BUILD]: every test program, and the programs that they start, with AddressSanitizer and
# UndefinedBehaviorSanitizer; by clang in a build folder of its own (build-sanitize). An hour on two processors.
# Prints a line for each; exit status 1 if a test fails, which a report of a sanitizer makes it do.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
build=${1:-build-sanitize}
if [[ ! -f $build/CMakeCache.txt ]]; then
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLOWLAND_SANITIZE=ON -DLOWLAND_UNITY=ON \
    -DLOWLAND_CUDA=OFF -DCMAKE_CXX_COMPILER="${CXX:-clang++}" || exit 1
fi
ninja -C "$build" || exit 1

# What libraries keep until the process ends: OpenMP's threads, Open MPI's tables (in modules that it has closed).
printf 'leak:%s\n' libomp.so libmpi.so libopen-pal.so libopen-rte.so libpmix.so >"$build/leaks"
export LSAN_OPTIONS=suppressions=$PWD/$build/leaks:print_suppressions=0 UBSAN_OPTIONS=print_stacktrace=1
export OMP_WAIT_POLICY=passive
bad=0
for program in "$build"/bin/tests_*; do
  name=$(basename "$program") skip='shared*'
  [[ $name != tests_faults ]] || continue  # it counts each operation on files of a program that is not watched
  [[ $name != tests_dist ]] || skip+=',*under mpirun*'
  began=$SECONDS status=passed
  "$program" "-tce=$skip" >"$build/$name.log" 2>&1 || { status=FAILED bad=1; }
  if [[ $name == tests_dist ]]; then  # Open MPI's leaks have no names: its modules are gone when they are counted
    ASAN_OPTIONS=detect_leaks=0 "$program" '-tc=*under mpirun*' >"$build/$name.mpi.log" 2>&1 || { status=FAILED bad=1; }
  fi
  printf '%-20s %-7s %5d s  %s\n' "$name" $status $((SECONDS - began)) "$(grep 'test cases:' "$build/$name.log")"
done
exit $bad

#!/usr/bin/env bash
# run.sh BUILD CXX GENERATOR FLAGS: installs BUILD below itself, builds the outside project against that alone, and runs
# it on the small model of the tests.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 work=$1/consumer
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >"$build/consumer-install.log"
cmake -S "$here" -B "$work/build" -G "$3" -DCMAKE_CXX_COMPILER="$2" -DCMAKE_CXX_FLAGS="$4" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$work/prefix${CMAKE_PREFIX_PATH:+;${CMAKE_PREFIX_PATH//:/;}}"
cmake --build "$work/build"
output=$("$work/build/one_step" "$here/../golden/roberta_tiny")
echo "$output"
[[ $output =~ ^loss\ [0-9]+\.[0-9]+$ ]]
"$work/prefix/bin/lowland-roberta" --help >/dev/null
[[ ! -e $work/prefix/bin/lowland-quickstart-data ]]  # demos stay in the build folder

#!/usr/bin/env bash
# run.sh BUILD CXX GENERATOR [FLAGS]: installs BUILD below itself, builds the outside project against that alone, and
# runs it on the small model of the tests. The adapter that it saves must be a folder as peft needs it: where Python has
# peft, that computes the same logits from it; the installed lowland-roberta merges it into its base.
set -euo pipefail
[[ $# -ge 3 ]] || { echo "usage: $0 BUILD CXX GENERATOR [FLAGS]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
build=$1 work=$1/consumer model=$here/../golden/roberta_tiny
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >"$build/consumer-install.log"
cmake -S "$here" -B "$work/build" -G "$3" -DCMAKE_CXX_COMPILER="$2" -DCMAKE_CXX_FLAGS="$4" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$work/prefix${CMAKE_PREFIX_PATH:+;${CMAKE_PREFIX_PATH//:/;}}"
cmake --build "$work/build"
output=$("$work/build/one_step" "$model" "$work/adapter")
echo "$output"
[[ $output =~ ^loss\ [0-9]+\.[0-9]+$ ]]
"$work/prefix/bin/lowland-roberta" --help >/dev/null
[[ ! -e $work/prefix/bin/lowland-quickstart-data ]]  # demos stay in the build folder

[[ -s $work/adapter/adapter_model.safetensors ]]
for line in '"peft_type": "LORA"' '"task_type": "SEQ_CLS"' '"r": 8' '"lora_alpha": 16' '"query"' '"classifier"'; do
  grep -qF "$line" "$work/adapter/adapter_config.json" || { echo "adapter_config.json lacks $line"; exit 1; }
done
if python3 -c 'import peft, transformers' 2>/dev/null; then
  echo '{"ids": [[0, 45, 31, 2], [0, 7, 2]]}' >"$work/ids.json"
  "$build/bin/adapter_logits" "$model" "$work/adapter" "$work/ids.json" >"$work/predicted.json"
  python3 "$here/../peers/check_adapter.py" check "$model" "$work/adapter" "$work/predicted.json"
else
  echo "Python has no peft: it did not read the adapter"
fi
"$work/prefix/bin/lowland-roberta" merge --model "$model" --adapter "$work/adapter" --out "$work/merged"
[[ -s $work/merged/model.safetensors ]]
! cmp -s "$model/model.safetensors" "$work/merged/model.safetensors"

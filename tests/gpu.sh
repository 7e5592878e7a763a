#!/usr/bin/env bash
# gpu.sh [OUT]: all that a GPU has to show, in under nine minutes, for a machine with a driver, a CUDA toolkit and
# perhaps nothing else. Runs the programs of a bundle that was built elsewhere:
#     cmake --build build --target bundle        makes build/bundle (stripped, at most 50 MB, its libraries beside it)
#     bash build/bundle/gpu.sh [OUT]             there; in the repository, `bash tests/gpu.sh` runs build/bundle
# Tests, compute-sanitizer on the small ones, then benches, and PyTorch on the same shapes where it is installed. One
# table comes last; OUT (default: gpu-results) gets gpu.json and a log of each part. Exit code 1 if anything failed, or
# if there is no GPU to use, which one sentence says.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bundle=$here
[[ -d $here/bin ]] || bundle=$here/../build/bundle
[[ -x $bundle/bin/tests_ops ]] || { echo "no bundle at $bundle: cmake --build build --target bundle makes it"; exit 1; }
out=$(mkdir -p "${1:-gpu-results}" && cd "${1:-gpu-results}" && pwd)
golden=$bundle/golden
start=$SECONDS
budget=${GPU_BUDGET_S:-520}
left() { echo $((budget - (SECONDS - start))); }

# --- libraries of CUDA: where the loader looks already, then the toolkit, then the wheels of python3
toolkit=${CUDA_HOME:-/usr/local/cuda}
folders=("$bundle/lib")
[[ -d $toolkit/lib64 ]] && folders+=("$toolkit/lib64")
while IFS= read -r folder; do folders+=("$folder"); done < <(python3 - 2>/dev/null <<'PY'
import glob, site, sys
for base in site.getsitepackages() + [site.getusersitepackages()]:
    for folder in sorted(glob.glob(base + "/nvidia/*/lib")):
        print(folder)
PY
)
LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(IFS=:; echo "${folders[*]}")
export LD_LIBRARY_PATH
library() {  # library NAME: the first file of that name, with the version in its real name
  local folder file
  IFS=: read -ra all <<<"$LD_LIBRARY_PATH"
  for folder in "${all[@]}"; do
    for file in "$folder/$1".so.*; do
      [[ -e $file ]] && { basename "$(realpath "$file")"; return; }
    done
  done
  echo absent
}
echo "cuBLASLt: $(library libcublasLt)   cuDNN: $(library libcudnn)   NCCL: $(library libnccl)"
echo "CUDA runtime: $(library libcudart)"

why=$("$bundle/bin/device_info" 2>&1) || { echo "$why"; exit 1; }
echo "$why"

# --- one row of the table for each part
rows=() failed=0
json_rows=()
quote() { printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | tr '"\\' "' ")"; }
row() {  # row NAME STATUS SECONDS NOTE
  rows+=("$(printf '%-44s %-8s %6ss  %s' "$1" "$2" "$3" "$4")")
  json_rows+=("{\"name\":$(quote "$1"),\"status\":\"$2\",\"seconds\":$3,\"note\":$(quote "$4")}")
  [[ $2 != FAILED ]] || failed=1
}
part() {  # part NAME SECONDS COMMAND...: its last line is the note; skipped when time is short
  local name=$1 limit=$2 began=$SECONDS status=ok note
  shift 2
  if (($(left) < 20)); then row "$name" "no time" 0 ""; return; fi
  (($(left) - 10 < limit)) && limit=$(($(left) - 10))
  timeout "$limit" "$@" >"$out/${name//[ \/:]/_}.log" 2>&1
  local code=$?
  note=$(grep -vE '^\s*$|^=+$' "$out/${name//[ \/:]/_}.log" | tail -1 | cut -c1-120)
  if ((code == 124)); then status=FAILED; note="over $limit s"; elif ((code != 0)); then status=FAILED; fi
  row "$name" $status $((SECONDS - began)) "$note"
}
bin=$bundle/bin
export LL_SOURCE_DIR=$bundle LL_TEST_DEVICE=cuda
skip='-tce=*refused*,*CPU*,*threads*'

part "ops against their oracles" 120 "$bin/tests_ops" "$skip"
part "methods" 60 "$bin/tests_optim" "$skip"
part "arena and rows" 30 "$bin/tests_nn" "$skip"
part "whole models against transformers and peft" 90 "$bin/tests_models" "$skip"
for g in layer global rank1; do
  part "eflat_replay $g f64" 20 "$bin/eflat_replay" "$golden/eflat_$g.json" --device cuda
  part "eflat_replay $g f32" 20 "$bin/eflat_replay" "$golden/eflat_$g.json" --device cuda --dtype f32
done
part "memory, graphs, training runs on the GPU" 60 "$bin/tests_engine" "-tc=device*,graphs*,a training run*"
if sanitizer=$(command -v compute-sanitizer || ls "$toolkit/bin/compute-sanitizer" 2>/dev/null); then
  small='-tc=rms_norm: values*,layer_norm: values*,cross_entropy: values*,embedding: values*,lora_linear: values*'
  part "memcheck" 60 "$sanitizer" --tool memcheck --error-exitcode 1 "$bin/tests_ops" "$small"
  part "racecheck" 60 "$sanitizer" --tool racecheck --error-exitcode 1 "$bin/tests_ops" "$small"
else
  row "memcheck, racecheck" absent 0 "no compute-sanitizer here"
fi

# --- benches: the last line of each log is JSON
unset LL_TEST_DEVICE
bench() {  # bench NAME SECONDS FLAGS...
  local name=$1 limit=$2
  shift 2
  part "$name" "$limit" "$bin/lowland-roberta" bench --device cuda --json "$@"
}
bench "bench roberta-large 32 x 128 bf16" 60 --preset roberta-large --methods lora,eflat-lora,flat-lora --batch 32 \
  --length 128 --steps 30
bench "bench roberta-large 32 x 128 bf16 no graphs" 40 --preset roberta-large --methods lora --batch 32 --length 128 \
  --steps 30 --no-graphs
bench "bench roberta-base 32 x 128 f32" 40 --preset roberta-base --methods lora,eflat-lora --batch 32 --length 128 \
  --steps 30 --dtype f32
[[ ! -e $bundle/rte_lengths.json ]] ||
  bench "bench roberta-large RTE lengths bf16" 40 --preset roberta-large --methods lora \
    --lengths "$bundle/rte_lengths.json"
[[ ! -x $bin/kernel_lab ]] || part "kernel lab" 90 "$bin/kernel_lab"
if python3 -c 'import torch, transformers, peft; assert torch.cuda.is_available()' 2>/dev/null; then
  for mode in eager default reduce-overhead; do
    part "PyTorch roberta-large 32 x 128 bf16 $mode" 60 python3 "$bundle/peers/bench_roberta_gpu.py" --model large \
      --batch 32 --length 128 --compile "$mode"
  done
else
  row "PyTorch on the same shapes" absent 0 "torch, transformers and peft are not all here"
fi

# --- results
{
  printf '{"device":%s,"libraries":{"cublasLt":"%s","cudnn":"%s","nccl":"%s"},"seconds":%s,"parts":[%s],"benches":[' \
    "$("$bin/device_info" --json)" "$(library libcublasLt)" "$(library libcudnn)" "$(library libnccl)" \
    "$((SECONDS - start))" "$(IFS=,; echo "${json_rows[*]}")"
  cat "$out"/bench_*.log "$out"/PyTorch_*.log 2>/dev/null | grep -E '^\{' | paste -sd,
  printf ']}\n'
} >"$out/gpu.json"
echo
printf '%s\n' "${rows[@]}"
cat "$out"/bench_*.log "$out"/PyTorch_*.log 2>/dev/null | grep -E '^\{' | python3 -c '
import json, sys
row = "%-16s %-14s %-5s %10s %10s %10s %7s %7s"
print(row % ("method", "preset", "dtype", "step ms", "p90", "tokens/s", "time", "memory"))
for line in sys.stdin:
    o = json.loads(line)
    number = lambda key, digits: "%.*f" % (digits, o[key]) if key in o else ""
    print(row % (o["method"], o["preset"], o["dtype"], number("step_ms", 3), number("step_ms_p90", 3),
                 number("tokens_per_s", 0), number("time_ratio", 3), number("memory_ratio", 4)))
' 2>/dev/null
echo "$((SECONDS - start)) s; logs and gpu.json in $out"
exit $failed

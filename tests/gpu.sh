#!/usr/bin/env bash
# gpu.sh [OUT [GROUP...]]: all that a GPU has to show, in under nine minutes, for a machine with a driver, a CUDA
# toolkit and perhaps nothing else. Runs the programs of a bundle that was built elsewhere:
#     cmake --build build --target bundle        makes build/bundle: this script and files.tar.xz, at most 50 MB
#     bash build/bundle/gpu.sh [OUT]             there; in the repository, `bash tests/gpu.sh` runs build/bundle
# Groups, all of them unless some are named: tests (oracles, models, methods), lab, bench, profile (Nsight Compute),
# peers (PyTorch on the same shapes, where it is installed), runs (training as a user starts it), sanitizer. What tells
# the most comes first; the seconds of each part are its upper limit. What there is no time for is said. OUT (default:
# gpu-results) gets gpu.json, new after each part, a log of each, and at the end results.tar.gz of all that; a table
# comes last. Exit code 1 if anything failed, or if there is no GPU to use, which one sentence says.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
archive=$here/files.tar.xz
[[ -f $archive ]] || archive=$here/../build/bundle/files.tar.xz
[[ -f $archive || -d $here/files ]] ||
  { echo "no bundle at $archive: cmake --build build --target bundle makes it"; exit 1; }
out=$(mkdir -p "${1:-gpu-results}" && cd "${1:-gpu-results}" && pwd)
unpacked=${TMPDIR:-/tmp}/lowland-bundle-$(id -u)  # not in OUT, which holds results only
bundle=$unpacked/files
if [[ -d $here/files ]]; then
  bundle=$here/files
elif [[ ! -d $bundle || $archive -nt $bundle/unpacked ]]; then
  rm -rf "$bundle"
  mkdir -p "$unpacked"
  tar -C "$unpacked" -xJf "$archive" 2>/dev/null || python3 -c '
import sys, tarfile
tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$archive" "$unpacked" ||
    { echo "$archive cannot be unpacked: neither xz nor python3 does it"; exit 1; }
  touch "$bundle/unpacked"
fi
groups=" ${*:2} "
golden=$bundle/tests/golden
start=$SECONDS
budget=${GPU_BUDGET_S:-520}
left() { echo $((budget - (SECONDS - start))); }
wanted() { [[ $groups == "  " || $groups == *" $1 "* ]]; }

# --- libraries of CUDA: where the loader looks already, then the toolkit, then the wheels of python3
toolkit=${CUDA_HOME:-/usr/local/cuda}
folders=("$bundle/lib")
[[ -d $toolkit/lib64 ]] && folders+=("$toolkit/lib64")
while IFS= read -r folder; do folders+=("$folder"); done < <(python3 - 2>/dev/null <<'PY'
import glob, site, sysconfig
bases = site.getsitepackages() + [site.getusersitepackages(), sysconfig.get_paths()["purelib"]]
for base in dict.fromkeys(bases):
    for folder in sorted(glob.glob(base + "/nvidia/*/lib")):
        print(folder)
PY
)
before=${LD_LIBRARY_PATH:-}
LD_LIBRARY_PATH=${before:+$before:}$(IFS=:; echo "${folders[*]}")
export LD_LIBRARY_PATH
"$bundle/bin/eflat_replay" --help >/dev/null 2>&1 || LD_LIBRARY_PATH+=:$bundle/lib-cxx
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
cublaslt=$(library libcublasLt) cudnn=$(library libcudnn) nccl=$(library libnccl)
echo "cuBLASLt: $cublaslt   cuDNN: $cudnn   NCCL: $nccl"
echo "CUDA runtime: $(library libcudart)"

why=$("$bundle/bin/device_info" 2>&1) || { echo "$why"; exit 1; }
echo "$why"
device=$("$bundle/bin/device_info" --json)

# --- one row of the table for each part
rows=() failed=0
json_rows=()
quote() { printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | tr '"\\' "' ")"; }
row() {  # row NAME STATUS SECONDS NOTE
  rows+=("$(printf '%-46s %-8s %5ss  %s' "$1" "$2" "$3" "$4")")
  json_rows+=("{\"name\":$(quote "$1"),\"status\":\"$2\",\"seconds\":$3,\"note\":$(quote "$4")}")
  echo "${rows[-1]}"
  [[ $2 != FAILED ]] || failed=1
  save
}
timings() { cat "$out"/bench_*.log "$out"/PyTorch_*.log 2>/dev/null | grep -E '^\{'; }
save() {  # what is known so far: a machine may be taken away at any moment
  {
    printf '{"device":%s,"libraries":{"cublasLt":"%s","cudnn":"%s","nccl":"%s"},"seconds":%s,"parts":[%s],"benches":[' \
      "$device" "$cublaslt" "$cudnn" "$nccl" "$((SECONDS - start))" "$(IFS=,; echo "${json_rows[*]}")"
    timings | paste -sd,
    printf ']}\n'
  } >"$out/gpu.json.new" && mv "$out/gpu.json.new" "$out/gpu.json"
}
part() {  # part NAME SECONDS COMMAND...: its last line is the note; skipped when time is short
  local name=$1 limit=$2 began=$SECONDS status=ok note log
  shift 2
  log=$out/${name//[ \/:]/_}.log
  if (($(left) < 20)); then row "$name" "no time" 0 ""; return; fi
  (($(left) - 10 < limit)) && limit=$(($(left) - 10))
  timeout -k 5 "$limit" "$@" >"$log" 2>&1
  local code=$?
  note=$(grep -vE '^\s*$|^=+$' "$log" | tail -1 |
    sed -E 's/^\{"method": ?"([^"]*)".*"step_ms": ?([0-9]+\.[0-9]{0,3}).*/\1: \2 ms a step/' | cut -c1-110)
  ((code == 0)) || status=FAILED
  ((code != 124 && code != 137)) || note="over $limit s"
  row "$name" $status $((SECONDS - began)) "$note"
}
doctest() {  # doctest NAME SECONDS PROGRAM FLAGS...: tests, of which there must be some
  local log=$out/${1//[ \/:]/_}.log
  part "$@"
  ! grep -qE 'test cases: +0 |^skipped:' "$log" 2>/dev/null || row "$1: no test ran" FAILED 0 ""
}
bin=$bundle/bin
export LL_SOURCE_DIR=$bundle LL_TEST_DEVICE=cuda
skip='-tce=*refused*,*CPU*,*threads*,shared*'

# Tests of the ops, a process for each file: an error of the device stays with the process that met it.
ops_by_file() {
  local file log
  while IFS= read -r file; do
    doctest "ops: $(basename "$file" _test.cpp)" 30 "$bin/tests_ops" "$skip" "-sf=*/$(basename "$file")"
  done < <("$bin/tests_ops" -ltc -r=xml | grep -o 'filename="[^"]*"' | cut -d'"' -f2 | sort -u)
}
bench() {  # bench NAME SECONDS PROGRAM FLAGS...: a line of JSON for each method
  local name=$1 limit=$2 program=$3
  shift 3
  LL_TEST_DEVICE='' part "bench $name" "$limit" "$bin/$program" bench --device cuda --json "$@"
}
peer() {  # peer NAME SECONDS SCRIPT FLAGS...: PyTorch finds its own libraries
  LD_LIBRARY_PATH=$before part "PyTorch $1" "$2" python3 "$bundle/peers/$3" "${@:4}"
}
torch=absent
if wanted peers && LD_LIBRARY_PATH=$before python3 -c '
import torch, transformers, peft; assert torch.cuda.is_available()' 2>/dev/null; then torch=here; fi
large=(--preset roberta-large --steps 30 --batch 32 --length 128)
eight=(--preset llama-3.1-8b --rank 16 --targets all-linear --batch 2 --length 4096 --warmup 4 --steps 12)

# --- what tells the most
if wanted tests; then
  ops_by_file
  doctest "memory, graphs, training on the GPU" 60 "$bin/tests_engine" \
    "-tc=device*,graphs*,ops on a device*,a training run*,nccl*"
  doctest "whole models: transformers and peft, f32, bf16" 60 "$bin/tests_models" "$skip"
fi
if wanted lab; then
  part "kernel lab: attention, eflat" 60 "$bin/kernel_lab" attention eflat --json "$out/lab.json"
  part "kernel lab: weights in blocks" 40 "$bin/kernel_lab" frozen_matmul --json "$out/lab_blocks.json"
fi
if wanted bench; then
  bench "llama-3.1-8b by op" 50 lowland-llama "${eight[@]}" --methods lora --by-op
  bench "llama-3.1-8b 2 x 4096 bf16" 70 lowland-llama "${eight[@]}" --methods lora,eflat-lora --isolate
  LL_ATTENTION=cudnn bench "llama-3.1-8b 2 x 4096 cuDNN" 50 lowland-llama "${eight[@]}" --methods lora
fi
if wanted profile; then
  if ncu=$(command -v ncu || ls "$toolkit/bin/ncu" 2>/dev/null); then
    for kernel in attention_forward attention_backward; do
      part "ncu $kernel" 40 "$ncu" --set full -k "regex:$kernel" -c 1 -f -o "$out/$kernel" "$bin/kernel_lab" "$kernel" \
        --runs 1
    done
  else
    row "ncu" absent 0 "no Nsight Compute here"
  fi
fi
if [[ $torch == here ]]; then
  for mode in eager default; do
    peer "llama-3.1-8b 2 x 4096 $mode" 110 bench_llama_gpu.py --compile $mode
  done
fi
if wanted tests; then
  doctest "methods" 40 "$bin/tests_optim" "$skip"
  doctest "arena and rows" 20 "$bin/tests_nn" "$skip"
  for g in layer global rank1; do
    part "eflat_replay $g f64" 20 "$bin/eflat_replay" "$golden/eflat_$g.json" --device cuda
    part "eflat_replay $g f32" 20 "$bin/eflat_replay" "$golden/eflat_$g.json" --device cuda --dtype f32
  done
fi
if wanted bench; then
  bench "roberta-large 32 x 128 bf16" 40 lowland-roberta "${large[@]}" --methods lora,eflat-lora,flat-lora
  bench "roberta-large by op" 30 lowland-roberta "${large[@]}" --methods eflat-lora --by-op
fi
if wanted runs; then
  for run in prepare losses same graphs resume llama vlm compare; do
    LL_TEST_DEVICE='' part "training: $run" 60 bash "$bundle/gpu_runs.sh" "$bin" "$out/runs" $run
  done
fi
if wanted sanitizer; then
  if sanitizer=$(command -v compute-sanitizer || ls "$toolkit/bin/compute-sanitizer" 2>/dev/null); then
    small='-tc=rms_norm: values*,layer_norm: values*,cross_entropy: values*,embedding: values*,lora_linear: values*'
    small+=',attention: queries of their own,gated activations: values*,rope: values*'
    doctest "memcheck" 50 "$sanitizer" --tool memcheck --error-exitcode 1 "$bin/tests_ops" "$small"
    doctest "racecheck" 50 "$sanitizer" --tool racecheck --error-exitcode 1 "$bin/tests_ops" "$small"
  else
    row "memcheck, racecheck" absent 0 "no compute-sanitizer here"
  fi
fi

# --- the rest
if wanted bench; then
  bench "llama-3.1-8b recompute" 40 lowland-llama "${eight[@]}" --methods lora --recompute block
  bench "roberta-large 32 x 128 no graphs" 30 lowland-roberta "${large[@]}" --methods lora --no-graphs
  bench "roberta-large RTE lengths bf16" 30 lowland-roberta --preset roberta-large --methods lora --steps 80 \
    --lengths "$bundle/peers/rte_lengths.json"
  bench "roberta-base 32 x 128 f32" 30 lowland-roberta --preset roberta-base --methods lora,eflat-lora --batch 32 \
    --length 128 --steps 30 --dtype f32
  samples=32  # as many as fit: what eflat-lora keeps does not grow with them
  [[ $device =~ \"memory_bytes\":([0-9]+) ]] && ((BASH_REMATCH[1] < 130000000000)) && samples=12
  bench "llava-1.5-7b $samples samples bf16" 70 lowland-vlm --preset llava-1.5-7b --rank 16 --targets all-linear \
    --batch $samples --methods lora,eflat-lora --warmup 2 --steps 8 --isolate
fi
if wanted lab; then part "kernel lab" 90 "$bin/kernel_lab" --json "$out/lab_all.json"; fi
if wanted profile && [[ -n ${ncu:-} ]]; then
  for kernel in attention_forward attention_backward; do  # the lab's for compute capability 9.0
    part "ncu ${kernel}_hopper" 30 "$ncu" --set full -k "regex:${kernel}_hopper" -c 1 -f -o "$out/${kernel}_hopper" \
      "$bin/kernel_lab" "$kernel" --runs 1
  done
fi
if [[ $torch == here ]]; then
  for mode in eager default reduce-overhead; do
    peer "roberta-large 32 x 128 $mode" 60 bench_roberta_gpu.py --batch 32 --length 128 --compile $mode
  done
  peer "roberta-large RTE lengths" 40 bench_roberta_gpu.py --steps 80 --lengths "$bundle/peers/rte_lengths.json"
  peer "llama-3.1-8b checkpointing" 60 bench_llama_gpu.py --checkpointing
  peer "products with quantised weights" 40 bench_quantised_gpu.py
  peer "llava-1.5-7b beside lowland-vlm" 170 bench_vlm_gpu.py --program "$bin/lowland-vlm" \
    --library-path "$LD_LIBRARY_PATH"
elif wanted peers; then
  row "PyTorch on the same shapes" absent 0 "torch, transformers and peft are not all here"
fi

# --- results
echo
printf '%s\n' "${rows[@]}"
echo
timings | awk '
  function text(key) { return match($0, "\"" key "\": ?\"[^\"]*\"") ? unquoted(substr($0, RSTART, RLENGTH)) : "" }
  function unquoted(s) { sub(/^"[^"]*": ?"/, "", s); sub(/"$/, "", s); return s }
  function number(key, format,   s) {
    if (!match($0, "\"" key "\": ?[0-9.e+-]+")) return ""
    s = substr($0, RSTART, RLENGTH); sub(/^"[^"]*": ?/, "", s); return sprintf(format, s)
  }
  BEGIN { row = "%-22s %-14s %-16s %-5s %10s %10s %10s %9s %7s %7s\n"
          printf row, "method", "preset", "shape", "dtype", "step ms", "p90", "tokens/s", "peak MB", "time", "memory" }
  text("method") == "" { next }
  { peak = number("peak_bytes", "%.0f")
    printf row, text("method"), text("preset"), text("shape"), text("dtype"), number("step_ms", "%.3f"),
           number("step_ms_p90", "%.3f"), number("tokens_per_s", "%.0f"), peak == "" ? "" : sprintf("%.0f", peak / 1e6),
           number("time_ratio", "%.3f"), number("memory_ratio", "%.4f")
    what = text("preset") " " text("shape") " " text("dtype"); speed = number("tokens_per_s", "%.6f") + 0
    if (text("method") ~ /^peft/) { if (text("method") !~ /ckpt/ && speed > peer[what]) peer[what] = speed }
    else if (text("method") == "lora" && speed > ours[what]) ours[what] = speed }
  END { for (what in ours) if (what in peer)
          printf "lora: %.2f times the tokens/s of the fastest PyTorch, %s\n", ours[what] / peer[what], what }'
tar -C "$out" --exclude=results.tar.gz --exclude=runs -czf "$out/results.tar.gz" .
echo "$((SECONDS - start)) s; logs, gpu.json and results.tar.gz in $out"
exit $failed

#!/usr/bin/env bash
# kills.sh BUILD [N]: runs of several processes are killed N times (4) at random moments, one process or all, and gone
# on with by the same and by another number of them, until they are whole: losses and adapter are those of a run of one
# process that nobody disturbed. Every second run holds its base in parts. SEED chooses the moments.
set -euo pipefail
build=$(cd "${1:?usage: kills.sh BUILD [N]}" && pwd)
kills=${2:-4}
program=$build/bin/lowland-llama
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
RANDOM=${SEED:-1}
cd "$work"
for i in $(seq 0 47); do
  ((i % 3)) && colour=red || colour=blue
  printf '{"prompt": "the colour of number %s is", "completion": "%s"}\n' $((i % 9)) $colour
done >train.jsonl
for i in $(seq 0 40); do printf 'the colour of number %s is red or blue\n\n' "$i"; done >text.txt
cat >config.json <<'JSON'
{"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
 "max_position_embeddings": 64, "vocab_size": 300, "initializer_range": 0.1}
JSON
"$program" pretrain --text text.txt --model-config config.json --vocab-size 300 --max-steps 2 --threads 1 --out base \
  2>base.log
tune() {  # tune OUT FLAGS...
  local out=$1
  shift
  "$program" finetune --model base/model --train train.jsonl --dev-fraction 0.1 --method eflat-lora --lora-dropout 0.1 \
    --batch-size 4 --grad-accum 2 --epochs 16 --save-steps 4 --eval-steps 20 --threads 1 --out "$out" "$@"
}
begun=$(date +%s%N)
tune whole 2>whole.log
ms=$((($(date +%s%N) - begun) / 1000000))

# The processes of a run, without the one that started them: those that have a RANK.
ranks() {
  local process
  for process in $(pgrep -f -- "--out $1( |\$)" || true); do
    tr '\0' '\n' 2>/dev/null <"/proc/$process/environ" | grep -q '^RANK=' && echo "$process"
  done
  true
}
same() {  # same RUN: losses within 1e-5, trained numbers within 1e-4 of the undisturbed run's
  python3 - whole "$1" <<'PY'
import json, struct, sys
def metrics(run):
    return [json.loads(line) for line in open(run + "/metrics.jsonl")]
def adapter(run):
    data = open(run + "/adapter/adapter_model.safetensors", "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    body = data[8 + size:]
    return struct.unpack("<%df" % (len(body) // 4), body)
a, b = metrics(sys.argv[1]), metrics(sys.argv[2])
assert len(a) == len(b), "%d lines of metrics, not %d" % (len(b), len(a))
for x, y in zip(a, b):
    assert x.keys() == y.keys(), (x, y)
    for key in x:
        if isinstance(x[key], float) and key not in ("tokens_per_s", "step_ms"):
            scale = x[key] if key == "eval_perplexity" else 1  # which is exp(loss)
            assert abs(x[key] - y[key]) < 1e-5 * scale, (key, x, y)
worst = max(abs(x - y) for x, y in zip(adapter(sys.argv[1]), adapter(sys.argv[2])))
assert worst < 1e-4, "adapters differ by %g" % worst
PY
}
killed=0 run=0
while ((killed < kills)); do
  run=$((run + 1))
  out=$work/run$run world=$((2 + RANDOM % 2)) flags=()
  ((run % 2)) || flags=(--shard-base)
  for tries in $(seq 1 60); do
    resume=()
    [[ ! -f $out/run.json ]] || resume=(--resume)
    tune "$out" "${flags[@]}" "${resume[@]}" --nproc $world --dist-timeout 20 2>>"$out.log" &
    parent=$!
    sleep "$(awk -v ms=$ms -v r=$RANDOM 'BEGIN { printf "%.3f", 1.3 * ms * r / 32768 / 1000 }')"
    mapfile -t all < <(ranks "$out")
    if ((killed < kills && ${#all[@]} > 0)); then
      if ((RANDOM % 2)); then
        kill -KILL "${all[RANDOM % ${#all[@]}]}" 2>/dev/null && killed=$((killed + 1))
      else
        kill -KILL "${all[@]}" 2>/dev/null && killed=$((killed + 1))
      fi
    fi
    wait $parent && break
    for _ in $(seq 1 400); do  # the others end, each with a sentence
      [[ -n $(ranks "$out") ]] || break
      sleep 0.05
    done
    [[ -z $(ranks "$out") ]] || { echo "$out: processes are left over"; exit 1; }
    world=$((2 + RANDOM % 2))
  done
  [[ -d $out/adapter ]] || { echo "$out is not finished after $tries beginnings"; tail -5 "$out.log"; exit 1; }
  same "$out"
done
echo "$kills kills in $run runs: all as undisturbed"

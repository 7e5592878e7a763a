#!/usr/bin/env bash
# ranks.sh BUILD [FLAGS...]: a step of Llama 110M by two processes of one thread against one process of two threads, in
# turns: tokens a second, their ratio, and what the sum of the gradients takes of a step. For a machine that does
# nothing else; asked is at most 1.05 times the time.
set -euo pipefail
build=$(cd "${1:?usage: ranks.sh BUILD [FLAGS...]}" && pwd)
shift
bench() { "$build/bin/lowland-llama" bench --preset llama-110m --batch 4 --length 256 --methods lora --json "$@"; }
for turn in 1 2 3; do
  bench --threads 2 --steps 8 --warmup 2 "$@"
  bench --threads 1 --steps 8 --warmup 2 --nproc 2 "$@"
done | python3 -c '
import json, statistics, sys
lines = [json.loads(line) for line in sys.stdin if line.startswith("{")]
one = [l["step_ms"] for l in lines if "processes" not in l]
two = [l for l in lines if "processes" in l]
ms = statistics.median(l["step_ms"] for l in two)
print("one process, 2 threads: %.0f ms; two processes, 1 thread: %.0f ms, ratio %.3f; sum of %.1f MB %.1f ms, %.1f%%"
      % (statistics.median(one), ms, ms / statistics.median(one), two[0]["sum_bytes"] / 1e6,
         statistics.median(l["sum_ms"] for l in two), 100 * statistics.median(l["sum_share"] for l in two)))'

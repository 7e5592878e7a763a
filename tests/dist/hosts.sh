#!/usr/bin/env bash
# hosts.sh BUILD: two hosts with two processes each, on this machine: network namespaces that a pair of virtual cables
# connects, by TCP with the variables that torchrun sets, plain and over a network that delays and loses packets. What
# they train is compared with one process. Exit status 77 where namespaces cannot be made (root and iproute2).
set -uo pipefail
build=$(cd "${1:?usage: hosts.sh BUILD}" && pwd) || exit 2
program=$build/bin/lowland-roberta
a=lowland-a-$$ b=lowland-b-$$
work=$(mktemp -d)
cleanup() {
  ip netns del "$a" 2>/dev/null
  ip netns del "$b" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
export OMP_WAIT_POLICY=passive

if ! { ip netns add "$a" && ip netns add "$b"; } 2>"$work/why"; then
  echo "skipped: network namespaces cannot be made here ($(tail -n 1 "$work/why"))"
  exit 77
fi
connect() {
  ip link add la netns "$a" type veth peer name lb netns "$b" &&
    ip -n "$a" addr add 10.99.7.1/24 dev la && ip -n "$b" addr add 10.99.7.2/24 dev lb &&
    ip -n "$a" link set la up && ip -n "$b" link set lb up && ip -n "$a" link set lo up && ip -n "$b" link set lo up
}
if ! connect 2>"$work/why"; then
  echo "skipped: no virtual cable ($(tail -n 1 "$work/why"))"
  exit 77
fi

# A tiny model and an easy task.
words=(soup bread cake tea salad rice) good=(fine lovely great) bad=(awful stale burnt)
printf 'sentence\tlabel\n' | tee "$work/dev.tsv" >"$work/train.tsv"
for i in {0..119}; do
  label=$((i % 2))
  ((label)) && last=${good[i / 2 % 3]} || last=${bad[i / 2 % 3]}
  line="the ${words[i * 7 % 6]} number $i is $last"
  printf '%s .\n\n' "$line" >>"$work/text.txt"
  ((i < 90)) && file=train || file=dev
  printf '%s\t%s\n' "$line" "$label" >>"$work/$file.tsv"
done
cat >"$work/config.json" <<'END'
{"model_type": "roberta", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
 "max_position_embeddings": 34, "type_vocab_size": 1, "vocab_size": 300, "layer_norm_eps": 1e-5, "pad_token_id": 1,
 "bos_token_id": 0, "eos_token_id": 2}
END
"$program" pretrain --text "$work/text.txt" --model-config "$work/config.json" --vocab-size 300 --epochs 1 --threads 1 \
  --out "$work/base" 2>"$work/log" || { cat "$work/log"; exit 1; }
flags=(finetune --model "$work/base/model" --task text --train "$work/train.tsv" --dev "$work/dev.tsv"
  --text-column sentence --method flat-lora --lora-dropout 0.1 --lr 5e-3 --batch-size 8 --epochs 2 --threads 1)
"$program" "${flags[@]}" --out "$work/one" 2>"$work/log" || { cat "$work/log"; exit 1; }

# run OUT: four processes, the first two on one host.
run() {
  local rank host status=0 pids=()
  for rank in 0 1 2 3; do
    ((rank < 2)) && host=$a || host=$b
    ip netns exec "$host" env RANK=$rank WORLD_SIZE=4 LOCAL_RANK=$((rank % 2)) LOCAL_WORLD_SIZE=2 \
      MASTER_ADDR=10.99.7.1 MASTER_PORT=29500 "$program" "${flags[@]}" --out "$1" --dist-timeout 60 \
      2>"$work/log.$rank" &
    pids+=($!)
  done
  for rank in 0 1 2 3; do wait "${pids[rank]}" || status=$?; done
  ((status == 0)) || cat "$work"/log.?
  return "$status"
}
losses() { grep -oE '"(eval_)?loss":[0-9.e-]+' "$1/metrics.jsonl" | cut -d: -f2; }
same() {
  paste <(losses "$work/one") <(losses "$1") | awk -v name="$2" '
    { d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > 1e-5) bad = 1; if (d > most) most = d; n++ }
    END { printf "%s: %d losses, the largest difference %g\n", name, n, most; exit bad || n < 3 }'
}

run "$work/plain" && same "$work/plain" "two hosts by TCP" || exit 1
if tc -n "$a" qdisc add dev la root netem delay 1ms loss 0.5% 2>"$work/why"; then
  run "$work/slow" && same "$work/slow" "two hosts by TCP, 1 ms away and losing packets" || exit 1
else
  echo "not tried: delay and loss ($(tail -n 1 "$work/why"))"
fi
# The second host goes away: the first ends by itself, in a sentence.
flags+=(--epochs 500)
run "$work/cut" >"$work/cut.log" &
running=$!
for _ in {1..600}; do compgen -G "$work/cut/checkpoint-*" >/dev/null && break; sleep 0.1; done
for pid in $(ip netns pids "$b"); do kill -KILL "$pid"; done
if wait "$running"; then echo "it ended well without its second host"; exit 1; fi
grep -q 'error: .*rank [23] of 4 has ended' "$work/log.0" || { cat "$work/log.0"; exit 1; }
echo "a host that goes away ends the others: $(grep -m 1 -a 'error:' "$work/log.0")"

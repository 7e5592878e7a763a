#!/usr/bin/env bash
# memory_by_family.sh [PROGRAMS]: the table of docs/models.md, of what a LoRA step takes by family, from the program's
# own plan: rank 16 on the default modules, 8 texts of 128 tokens, every token learnt. Reads no weights.
set -euo pipefail
programs=$(realpath "${1:-build/bin}")
tokenizer=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../golden/tokenizer_small")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for _ in 1 2 3 4 5 6 7 8; do
  printf '{"text": "%s", "label": "a"}\n' "$(printf 'the %.0s' {1..400})"
done >"$work/texts.jsonl"
sed '1s/"a"/"b"/' "$work/texts.jsonl" >"$work/labels.jsonl"

# The last column of the table's line `all`.
plan() { "$@" 2>/dev/null | awk '$1 == "all" { print $2 " " $3 }'; }

# NAME PROGRAM CONFIG
row() {
  local folder=$work/$1 wide narrow
  mkdir "$folder"
  cp "$tokenizer"/* "$folder"
  printf '%s\n' "$3" >"$folder/config.json"
  local common=(inspect --model "$folder" --random-init --show 0 --rank 16 --batch-size 8 --dev-fraction 0 --threads 2)
  if [[ $2 == lowland-roberta ]]; then
    common+=(--task text --train "$work/labels.jsonl" --max-length 128)
  else
    common+=(--train "$work/texts.jsonl" --max-length 129)
  fi
  wide=$(plan "$programs/$2" "${common[@]}")
  narrow=$(plan "$programs/$2" "${common[@]}" --weights-dtype bf16)
  echo "| $1 | $wide | $narrow |"
}

kind() {  # TYPE NAME hidden ffn layers heads kv vocabulary tied [MORE KEYS]
  row "$2" lowland-llama "{\"model_type\": \"$1\", \"hidden_size\": $3, \"intermediate_size\": $4,
    \"num_hidden_layers\": $5, \"num_attention_heads\": $6, \"num_key_value_heads\": $7, \"vocab_size\": $8,
    \"tie_word_embeddings\": $9, \"max_position_embeddings\": 4096${10:+, ${10}}}"
}
gpt2() { row "$1" lowland-llama "{\"model_type\": \"gpt2\", \"n_embd\": $2, \"n_layer\": $3, \"n_head\": $4}"; }

echo "| model | f32 | bf16 |"
echo "|---|---|---|"
row roberta-base lowland-roberta '{"model_type": "roberta", "type_vocab_size": 1, "max_position_embeddings": 514}'
row roberta-large lowland-roberta '{"model_type": "roberta", "type_vocab_size": 1, "max_position_embeddings": 514,
  "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}'
row bert-base lowland-roberta '{"model_type": "bert"}'
row bert-large lowland-roberta '{"model_type": "bert", "hidden_size": 1024, "num_hidden_layers": 24,
  "num_attention_heads": 16, "intermediate_size": 4096}'
row distilbert-base lowland-roberta '{"model_type": "distilbert"}'
gpt2 gpt2 768 12 12
gpt2 gpt2-medium 1024 24 16
gpt2 gpt2-large 1280 36 20
kind qwen2 Qwen2.5-0.5B 896 4864 24 14 2 151936 true
kind qwen3 Qwen3-0.6B 1024 3072 28 16 8 151936 true '"head_dim": 128'
kind llama Llama-3.2-1B 2048 8192 16 32 8 128256 true
kind gemma3_text gemma-3-1b 1152 6912 26 4 1 262144 true '"head_dim": 256'
kind gemma2 gemma-2-2b 2304 9216 26 8 4 256000 true '"head_dim": 256'
kind llama Llama-3.2-3B 3072 8192 28 24 8 128256 true
kind phi3 Phi-3.5-mini 3072 8192 32 32 32 32064 false
kind mistral Mistral-7B 4096 14336 32 32 8 32000 false
kind llama Llama-3.1-8B 4096 14336 32 32 8 128256 false

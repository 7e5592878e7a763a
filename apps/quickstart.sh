#!/usr/bin/env bash
# The main job on an embedded default, with no download and no GPU: a small RoBERTa is pretrained on generated text,
# then fine-tuned on a small task, three in ten of whose training labels are wrong, with lora and with eflat-lora, and
# once more from random weights. A minute or two on two cores.
#   bash apps/quickstart.sh [FOLDER]      default: build/quickstart
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-build/quickstart}
source cmake/setup.sh
lowland_build lowland-roberta lowland-llama lowland-vlm lowland-quickstart-data

lowland=build/bin/lowland-roberta
step() { printf '\n== %s\n$ %s\n' "$1" "${*:2}"; "${@:2}"; }

rm -rf "$out"
mkdir -p "$out"
bag_of_words=$(build/bin/lowland-quickstart-data "$out/data")

step "Pretrain on text without labels (masked language modelling)" \
  $lowland pretrain --text "$out/data/text.txt" --line-by-line --model-config "$out/data/config.json" \
  --vocab-size 1000 --max-length 64 \
  --batch-size 32 --epochs 2 --lr 1e-3 --logging-steps 250 --threads 1 --out "$out/pretrained"

task=(--model "$out/pretrained/model" --task text --train "$out/data/train.tsv" --dev "$out/data/dev.tsv"
      --rank 8 --alpha 16 --lr 2e-3 --epochs 16 --batch-size 16 --eval-steps 40 --save-steps 320 --logging-steps 20
      --sharpness-steps 40 --threads 1)  # tensors this small gain nothing from a second thread
step "Fine-tune an adapter with LoRA" $lowland finetune "${task[@]}" --method lora --out "$out/lora"
step "The same with EFlat-LoRA" $lowland finetune "${task[@]}" --method eflat-lora --rho 1 --out "$out/eflat-lora"
step "The same with LoRA, from random weights" \
  $lowland finetune "${task[@]}" --method lora --random-init --out "$out/random-weights"

step "Side by side (1,200 held-out examples; three in ten of the 320 training labels are wrong)" \
  $lowland compare "$out/lora" "$out/eflat-lora" "$out/random-weights" --html "$out/report.html"
printf '\nBag of words, logistic regression: accuracy %s\nThe adapter for peft: %s\n' \
  "$bag_of_words" "$out/eflat-lora/adapter"

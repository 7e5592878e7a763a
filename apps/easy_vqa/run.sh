#!/usr/bin/env bash
# From nothing to answers about pictures, on a CPU: a small vision tower is trained on easy-VQA's training pictures by
# class, a small language model on the questions with the picture told in words, the projector between them on captions;
# then LoRA and EFlat-LoRA learn the training questions, and all test questions are answered.
#   bash apps/easy_vqa/run.sh EASY_VQA [FOLDER]      EASY_VQA: the unpacked data set; default folder: build/easy_vqa
set -euo pipefail
[[ $# -ge 1 ]] || { echo "usage: $0 EASY_VQA [FOLDER]" >&2; exit 2; }
data=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${2:-build/easy_vqa}
recipe=apps/easy_vqa
if [[ -z ${LOWLAND_BIN:-} ]]; then
  source cmake/setup.sh
  lowland_build lowland-llama lowland-vlm lowland-easy-vqa-data
fi
bin=${LOWLAND_BIN:-build/bin}
step() { printf '\n== %s (after %d s)\n$ %s\n' "$1" "$SECONDS" "${*:2}"; "${@:2}"; }

rm -rf "$out"
mkdir -p "$out"
bash apps/data/easy_vqa.sh "$data" "$out/data"
$bin/lowland-easy-vqa-data "$data" "$out/data"

step "A vision tower by classes" $bin/lowland-vlm pretrain --class-dir "$out/data/classes" \
  --model-config $recipe/vision.json --dev-fraction 0.05 --flip both --shift 6 --epochs 40 --batch-size 32 --lr 1e-3 \
  --weight-decay 0.05 --eval-steps 424 --logging-steps 100 --out "$out/vision"
step "A language model on questions about pictures in words" $bin/lowland-llama pretrain \
  --text "$out/data/language.txt" --model-config $recipe/language.json --vocab-size 400 --epochs 2 --batch-size 64 \
  --lr 2e-3 --logging-steps 100 --out "$out/text"
step "Its answers, every one of them" $bin/lowland-llama finetune --method full --model "$out/text/model" \
  --train "$out/data/turns.jsonl" --dev-fraction 0.01 --epochs 3 --batch-size 64 --lr 1e-3 --logging-steps 100 \
  --eval-steps 500 --out "$out/language"
step "The projector on captions" $bin/lowland-vlm pretrain --vision-model "$out/vision/model" \
  --language-model "$out/language/model" --train "$out/data/captions.csv" --image-dir "$data" \
  --instruction "what is this?" --dev-fraction 0.05 --epochs 4 --batch-size 32 --lr 2e-3 \
  --logging-steps 100 --out "$out/projector"

base="$out/projector/model"
for method in lora eflat-lora; do
  step "Fine-tune with $method" $bin/lowland-vlm finetune --config $recipe/finetune.toml --model "$base" \
    --train "$out/data/train.jsonl" --image-dir "$data" \
    --cache-features "$out/features" --method $method --out "$out/$method"
  step "Answer the test questions" $bin/lowland-vlm evaluate --run "$out/$method" --test "$out/data/test.jsonl" \
    --split test --max-new-tokens 8 --batch-size 64 --cache-features "$out/features"
  step "The same with the pictures exchanged" $bin/lowland-vlm evaluate --run "$out/$method" \
    --test "$out/data/test.jsonl" --split test --max-new-tokens 8 --batch-size 64 \
    --cache-features "$out/features" --shuffle-images
done
printf '\n%d s in all\n' "$SECONDS"

#!/usr/bin/env bash
# gpu_runs.sh BIN OUT PART: training runs of the programs on a GPU, as a user starts them. PART:
#   prepare     text, a task, a RoBERTa and a Llama pretrained on the GPU for a few steps
#   losses      100 steps of fine-tuning in f32, dropout on: the losses are the CPU's within 1e-3
#   same        the same run twice, in bf16: the same bytes
#   graphs      with captured steps and without: the same bytes
#   resume      killed after its first checkpoint and resumed: the same bytes as the run that was left alone
#   compare     three steps in f32 under LL_COMPARE=1: each kernel within 1e-2 of the CPU's
#   llama       fine-tuning twice: the same bytes; greedy text in f32 as the CPU writes it
#   vlm         a tower by classes and a projector trained on the GPU, then as for llama, with questions about pictures
# The last line says what was seen; exit code 1 if it is not so. LL_RUNS_DEVICE=cpu tries the script without a GPU.
set -euo pipefail
[[ $# -eq 3 ]] || { echo "usage: $0 BIN OUT PART" >&2; exit 2; }
bin=$(cd "$1" && pwd) out=$2 part=$3
pictures=$(cd "${LL_SOURCE_DIR:-$(dirname "${BASH_SOURCE[0]}")/..}/tests/golden/images" && pwd)
mkdir -p "$out"
cd "$out"
device=${LL_RUNS_DEVICE:-cuda}
half=bf16
[[ $device != cpu ]] || half=f32
roberta=$bin/lowland-roberta llama=$bin/lowland-llama vlm=$bin/lowland-vlm
fail() { echo "$1"; exit 1; }

task=(--model pretrained/model --task text --train data/train.tsv --dev data/dev.tsv --rank 8 --alpha 16
      --lora-dropout 0.1 --lr 2e-3 --batch-size 16 --max-eval-samples 200 --eval-steps 50
      --save-steps 40 --logging-steps 1 --method eflat-lora --rho 1 --overwrite)
finetune() { "$roberta" finetune "${task[@]}" --max-steps "${steps:-100}" --out "$1" "${@:2}"; }  # OUT FLAGS...
metrics() { sed -E 's/"(tokens_per_s|step_ms)":[^,}]*,?//g' "$1/metrics.jsonl"; }
same_runs() {  # same_runs A B: adapters and metrics, times left out
  [[ -s $1/metrics.jsonl && -s $2/metrics.jsonl ]] || fail "$1 or $2 has no metrics"
  cmp "$1/adapter/adapter_model.safetensors" "$2/adapter/adapter_model.safetensors" || fail "$1 and $2 differ"
  cmp <(metrics "$1") <(metrics "$2") || fail "the metrics of $1 and $2 differ"
}
losses() { grep -oE '"loss(_perturbed)?":[^,}]*' "$1/metrics.jsonl" | cut -d: -f2; }
kept() { [[ -d $1 ]] || finetune "$1" --device "$device" --dtype "$half"; }  # the run that others are held against

case $part in
  prepare)
    "$bin/lowland-quickstart-data" data
    sed -i 's/_prob": 0.0/_prob": 0.1/' data/config.json  # the masks of dropout must be the same everywhere
    "$roberta" pretrain --text data/text.txt --line-by-line --model-config data/config.json --vocab-size 1000 \
      --max-length 64 --batch-size 32 --max-steps 200 --lr 1e-3 --device "$device" --out pretrained --overwrite
    cat >llama.json <<'JSON'
{"model_type": "llama", "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
 "num_key_value_heads": 2, "max_position_embeddings": 128, "vocab_size": 1000, "rms_norm_eps": 1e-5,
 "tie_word_embeddings": true, "torch_dtype": "float32"}
JSON
    "$llama" pretrain --text data/text.txt --line-by-line --model-config llama.json --tokenizer pretrained/model \
      --max-length 64 --batch-size 32 --max-steps 200 --lr 1e-3 --device "$device" --out decoder --overwrite
    sed -n 's/\t.*//; 2,200p' data/train.tsv | tr -d '"\\' |
      awk '{ n = int(NF / 2); a = b = ""
             for (i = 1; i <= NF; ++i) if (i <= n) a = a $i " "; else b = b $i " "
             printf "{\"prompt\":\"%s\",\"completion\":\"%s\"}\n", a, b }' >pairs.jsonl
    echo "both models are pretrained, $(wc -l <pairs.jsonl) pairs"
    ;;
  losses)
    finetune gpu-f32 --device "$device" --dtype f32
    finetune cpu-f32 --device cpu --dtype f32
    paste <(losses gpu-f32) <(losses cpu-f32) | awk '
      { d = ($1 - $2) / $2; if (d < 0) d = -d; if (d > most) most = d; if (!(d <= 1e-3)) bad = 1 }
      END { printf "%d steps, largest relative difference of the losses %.2e%s\n", NR, most, bad ? ": too large" : ""
            exit !(NR == 100 && !bad) }'
    ;;
  same)
    kept first
    finetune second --device "$device" --dtype "$half"
    same_runs first second
    echo "two runs of 100 steps: the same bytes"
    ;;
  graphs)
    kept first
    finetune launches --device "$device" --dtype "$half" --no-graphs
    same_runs first launches
    echo "100 steps with graphs and without: the same bytes"
    ;;
  resume)
    kept first
    for ((attempt = 0; attempt < 5; ++attempt)); do  # again where the run was over before it was killed
      rm -rf killed
      "$roberta" finetune "${task[@]}" --max-steps 100 --out killed --device "$device" --dtype "$half" &
      pid=$!
      while [[ ! -d killed/checkpoint-40 ]] && kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
      kill -9 "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
      [[ -d killed/adapter ]] || break
    done
    [[ -d killed/checkpoint-40 && ! -d killed/adapter ]] || fail "no run was killed between step 40 and its end"
    "$roberta" finetune --out killed --resume
    same_runs first killed
    echo "killed after step 40 and resumed: the same bytes"
    ;;
  compare)
    steps=3 LL_COMPARE=1 finetune compared --device "$device" --dtype f32 --no-graphs 2>&1 | tee compared.txt
    [[ $device != cpu ]] || { echo "there is no kernel to compare"; exit 0; }
    awk '
      on && NF == 5 && $3 > 0 {
        ++kernels  # a sum that cancels may be far off what is left of it, so the absolute error counts as well
        if ($5 !~ /^[0-9.e+-]+$/ || ($4 > 1e-3 && $5 > 1e-2)) bad = bad " " $1 " (" $5 ")"
      }
      $1 == "LL_COMPARE" { on = 1 }
      END { printf "three steps: %d kernels beside the CPU'\''s%s\n", kernels, bad == "" ? "" : ", too far off:" bad
            exit !(kernels >= 15 && bad == "") }' compared.txt
    ;;
  llama)
    tune() {
      "$llama" finetune --model decoder/model --train pairs.jsonl --method eflat-lora --targets all-linear --rank 8 \
        --lora-dropout 0.1 --max-steps 60 --batch-size 16 --logging-steps 1 --save-steps 1000 --eval-steps 1000 \
        --device "$device" --dtype "$half" --out "$1" --overwrite
    }
    tune llama-first
    tune llama-second
    same_runs llama-first llama-second
    text() {
      "$llama" generate --model decoder/model --adapter llama-first/adapter --prompt "the" --temperature 0 \
        --max-new-tokens 40 --dtype f32 --device "$1"
    }
    text "$device" >gpu.txt
    text cpu >cpu.txt
    [[ -s cpu.txt ]] || fail "no text was written"
    cmp gpu.txt cpu.txt || fail "greedy text of GPU and CPU differs: $(cat gpu.txt) | $(cat cpu.txt)"
    echo "two runs of 60 steps: the same bytes; greedy text in f32 as the CPU's"
    ;;
  vlm)
    rm -rf classes
    mkdir -p classes/{colour,grey}
    cp "$pictures"/{rgb,palette,two_colours,interlaced}.png classes/colour
    cp "$pictures"/{rgb,progressive,no_subsampling}.jpg classes/colour
    cp "$pictures"/{grey,grey_alpha,sixteen_bits}.png "$pictures"/grey.jpg classes/grey
    for picture in classes/*/*; do
      printf '{"image":"%s","question":"what is it?","answer":"%s"}\n' "$picture" "$(basename "$(dirname "$picture")")"
    done >questions.jsonl
    cat >vision.json <<'JSON'
{"model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
 "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
JSON
    common=(--batch-size 8 --logging-steps 1 --save-steps 1000 --eval-steps 1000 --device "$device" --dtype "$half"
            --overwrite)
    "$vlm" pretrain --class-dir classes --model-config vision.json --max-steps 40 --lr 1e-3 "${common[@]}" --out tower
    "$vlm" pretrain --vision-model tower/model --language-model decoder/model --task vqa --train questions.jsonl \
      --max-steps 40 --lr 1e-3 "${common[@]}" --out projector
    tune() {
      "$vlm" finetune --model projector/model --train questions.jsonl --method eflat-lora --targets all-linear \
        --rank 8 --lora-dropout 0.1 --tower lora --projector full --lr 2e-3 --max-steps 60 "${common[@]}" --out "$1"
    }
    tune vlm-first
    tune vlm-second
    same_runs vlm-first vlm-second
    answers() {
      "$vlm" predict --run vlm-first --input questions.jsonl --max-new-tokens 8 --dtype f32 --device "$1"
    }
    answers "$device" >gpu-answers.jsonl
    answers cpu >cpu-answers.jsonl
    [[ -s cpu-answers.jsonl ]] || fail "there are no answers"
    cmp gpu-answers.jsonl cpu-answers.jsonl || fail "answers of GPU and CPU differ: see gpu- and cpu-answers.jsonl"
    echo "two runs of 60 steps on pictures: the same bytes; $(wc -l <cpu-answers.jsonl) answers in f32 as the CPU's"
    ;;
  *) fail "unknown part $part" ;;
esac

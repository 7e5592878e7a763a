# Tiny models and data under the names that the pages use. Sourced by run_docs.sh.

# rows FILE HEADER LINE...: a table of 24 lines that cycle through those given; @ is the line's number.
rows() {
  local file=$1 header=$2 i
  shift 2
  mkdir -p "$(dirname "$file")"
  : >"$file"
  [[ -z $header ]] || printf '%b\n' "$header" >>"$file"
  for ((i = 0; i < 24; ++i)); do
    local line=${@:$((i % $# + 1)):1}
    printf '%b\n' "${line//@/$i}" >>"$file"
  done
}

# A picture of 9 x 9 pixels, all red.
picture() {
  mkdir -p "$(dirname "$1")"
  base64 -d >"$1" <<'END'
iVBORw0KGgoAAAANSUhEUgAAAAkAAAAJCAIAAABv85FHAAAAEUlEQVR42mO4IyKCCzEMczkAwBRSRYUifeMAAAAASUVORK5CYII=
END
}

# make_inputs INTO BIN ROOT
make_inputs() {
  local into=$1 bin=$2 split
  set -e
  rows "$into/corpus.txt" '' 'the soup is fine and the bread is warm' '' \
    'the tea is cold, USER: says ASSISTANT: a red lamp' ''
  echo '{"model_type":"roberta","hidden_size":16,"intermediate_size":32,"num_hidden_layers":2,"num_attention_heads":2,
"max_position_embeddings":130,"vocab_size":300}' >"$into/config.json"
  echo '{"model_type":"llama","hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,
"max_position_embeddings":256,"vocab_size":320}' >"$into/llama.json"
  echo '{"model_type":"gpt2","n_embd":32,"n_layer":2,"n_head":4,"n_positions":512,"vocab_size":320}' >"$into/gpt2.json"
  echo '{"model_type":"clip_vision_model","hidden_size":16,"intermediate_size":32,"num_hidden_layers":2,
"num_attention_heads":2,"image_size":8,"patch_size":4}' >"$into/vision.json"
  local short=(--max-steps 2 --threads 1)
  "$bin/lowland-roberta" pretrain --text "$into/corpus.txt" --model-config "$into/config.json" --vocab-size 300 \
    "${short[@]}" --out "$into/made/roberta"
  "$bin/lowland-llama" pretrain --text "$into/corpus.txt" --model-config "$into/llama.json" --vocab-size 320 \
    "${short[@]}" --out "$into/made/llama"
  "$bin/lowland-llama" pretrain --text "$into/corpus.txt" --model-config "$into/gpt2.json" --vocab-size 320 \
    "${short[@]}" --out "$into/made/gpt2"
  # llama2.c's files: a model of zeros (dim 8, hidden 16, 1 layer, 2 heads), and the tests' vocabulary.
  local words=560
  printf '\10\0\0\0\20\0\0\0\1\0\0\0\2\0\0\0\2\0\0\0%b\200\0\0\0' \
    "$(printf '\\x%02x\\x%02x\\0\\0' $((words % 256)) $((words / 256)))" >"$into/stories260K.bin"
  head -c $((4 * (words * 8 + 8 + 4 * 64 + 8 + 3 * 128 + 8 + 128 * 4))) /dev/zero >>"$into/stories260K.bin"
  cp "$3/tests/golden/tokenizer_llama/table.bin" "$into/tok512.bin"
  for split in red green; do
    for ((i = 0; i < 8; ++i)); do picture "$into/classes/$split/$i.png"; done
  done
  "$bin/lowland-vlm" pretrain --class-dir "$into/classes" --model-config "$into/vision.json" "${short[@]}" \
    --out "$into/made/vision"
  picture "$into/picture.jpg"
  picture "$into/table.jpg"
  for ((i = 0; i < 8; ++i)); do picture "$into/pictures/$i.jpg"; done
  for split in train test questions; do
    rows "$into/$split.jsonl" '' \
      '{"image": "pictures/1.jpg", "question": "What is on the table?", "answer": "a lamp"}'
  done
  "$bin/lowland-vlm" pretrain --vision-model "$into/made/vision/model" --language-model "$into/made/llama/model" \
    --task vqa --train "$into/train.jsonl" --image-dir "$into" "${short[@]}" --out "$into/made/llava"
  cp -r "$into/made/roberta/model" "$into/roberta"
  cp -r "$into/made/llama/model" "$into/llama"
  cat >"$into/llama/chat_template.jinja" <<'END'
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\n' }}
{%- endif %}
END
  "$bin/lowland-llama" export --model "$into/llama" --gguf q8_0 --out "$into/SmolLM2.gguf"
  cp -r "$into/made/llava/model" "$into/llava"

  local two=('the soup @ is fine\t1' 'the soup @ is stale\t0')
  for split in train dev test; do
    rows "$into/GLUE/SST-2/$split.tsv" 'sentence\tlabel' "${two[@]}"
    rows "$into/k-shot/SST-2/512-42/$split.tsv" 'sentence\tlabel' "${two[@]}"
    rows "$into/GLUE/RTE/$split.tsv" 'index\tsentence1\tsentence2\tlabel' \
      '@\tthe soup is hot\tit is warm\tentailment' '@\tthe soup is hot\tit is cold\tnot_entailment'
    rows "$into/GLUE/CoLA/$split.tsv" '' 'gj04\t1\t\tThe soup is good.' 'gj04\t0\t*\tSoup the is.'
  done
  for split in train dev_matched dev_mismatched; do
    rows "$into/GLUE/MNLI/$split.tsv" 'index\tsentence1\tsentence2\tgold_label' '@\ta\tb\tentailment' \
      '@\tc\td\tneutral' '@\te\tf\tcontradiction'
  done
  mkdir -p "$into/glue"
  cp -r "$into/GLUE/SST-2" "$into/glue/SST-2"
  for split in train val; do
    rows "$into/BoolQ/$split.jsonl" '' \
      '{"question": "is the sea salty", "passage": "Sea water has salt in it.", "idx": @, "label": true}' \
      '{"question": "is soup dry", "passage": "Soup is wet.", "idx": @, "label": false}'
  done
  rows "$into/reviews.csv" 'review,stars' '"good, very good",5' 'bad,1'
  rows "$into/new_reviews.csv" 'review' 'good' 'bad'
  rows "$into/lines.txt" '' 'the soup is fine' 'the soup is stale'
  rows "$into/chats.jsonl" '' '{"prompt": "the soup", "completion": " is fine"}'
  for split in train valid test; do rows "$into/e2e/$split.txt" '' 'name : X | area : river||X is by the river.'; done

  local problems='' ids=''
  for ((i = 1; i <= 16; ++i)); do
    picture "$into/ScienceQA/images/train/$i/image.png"
    problems+="\"$i\": {\"question\": \"Which colour?\", \"choices\": [\"red\", \"blue\"], \"answer\": 0,
      \"hint\": \"\", \"image\": \"image.png\", \"grade\": \"grade2\", \"subject\": \"natural science\",
      \"lecture\": \"\", \"solution\": \"\", \"split\": \"train\"},"
    ids+="\"$i\","
  done
  echo "{${problems%,}}" >"$into/ScienceQA/problems.json"
  echo "{\"train\": [${ids%,}], \"val\": [\"1\"], \"test\": [\"1\"]}" >"$into/ScienceQA/pid_splits.json"
  for split in train val test; do
    picture "$into/VizWiz/$split/1.jpg"
    local answers='"answers": [{"answer": "red"}, {"answer": "red"}, {"answer": "red"}],'
    [[ $split != test ]] || answers=''
    echo "[{\"image\": \"1.jpg\", $answers \"question\": \"Which colour?\"}]" >"$into/VizWiz/$split.json"
  done

  "$bin/lowland-roberta" finetune --model "$into/roberta" --data "$into/GLUE" --task sst2 "${short[@]}" \
    --out "$into/RUN"
  cp -r "$into/RUN/adapter" "$into/ADAPTER"
}

# lay_inputs FROM FOLDER: what a reader of the pages has in the folder in which the commands are typed.
lay_inputs() {
  local name
  for name in "$1"/*; do
    case $(basename "$name") in
      made | classes | inputs.log | llama.json | gpt2.json | vision.json | *.jsonl) ;;
      *) ln -sfn "$name" "$2/$(basename "$name")" ;;
    esac
  done
  cp "$1"/*.jsonl "$2"
  mkdir -p "$2/models"
  for name in roberta-base roberta-large; do
    ln -sfn "$1/roberta" "$2/$name"
    ln -sfn "$1/roberta" "$2/models/$name"
  done
  ln -sfn "$1/llama" "$2/TinyLlama"
  ln -sfn "$1/made/gpt2/model" "$2/gpt2-medium"
  ln -sfn "$1/llava" "$2/llava-1.5-7b-hf"
}

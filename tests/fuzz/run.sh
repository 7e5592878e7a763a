#!/usr/bin/env bash
# run.sh SECONDS [TARGET...]: builds the libFuzzer targets of tests/fuzz/targets with clang, AddressSanitizer and
# UndefinedBehaviorSanitizer, and runs each so many seconds on seeds made here of tests/golden, with a dictionary. Input
# that a run finds worth keeping stays in $CORPUS (default build-fuzz/corpus) for the next; what fails in build-fuzz.
# Ends with 1 where a target crashed, hung for 20 s or took more than 2 GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
build=$PWD/${BUILD:-build-fuzz} golden=$PWD/tests/golden
corpus=${CORPUS:-$build/corpus}
clang=$(command -v clang++-14 || command -v clang++)
[[ -f $build/CMakeCache.txt ]] ||
  cmake -S . -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$clang" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLOWLAND_FUZZERS=ON \
    -DLOWLAND_CUDA=OFF >/dev/null
if [[ $# == 0 ]]; then
  for source in tests/fuzz/targets/*.cpp; do set -- "$@" "$(basename "$source" .cpp)"; done
fi
cmake --build "$build" --target "${@/#/fuzz_}" >"$build/build.log" 2>&1 || { tail -n 30 "$build/build.log"; exit 1; }

# The pickle is the first entry of what torch.save writes; what follows its end does not matter.
first_entry() {
  local name extra
  name=$(od -An -tu2 -j26 -N2 "$1") extra=$(od -An -tu2 -j28 -N2 "$1")
  tail -c +$((31 + name + extra)) "$1" | head -c 4000 || true  # tail may write into a closed pipe
}

# seeds TARGET FOLDER: valid files of its kind.
seeds() {
  case $1 in
    pickle) for f in "$golden"/torch/{model,nested,layouts,shared,parameters}*.bin; do
              first_entry "$f" >"$2/$(basename "$f")"
            done ;;
    torch_file) cp "$golden"/torch/*.bin "$2" ;;
    gguf) cp "$golden"/gguf/*.gguf "$2" ;;
    safetensors) cp "$golden"/torch/*.safetensors "$2" ;;
    config_json) for f in "$golden"/*/config.json "$golden"/hub/*/config.json; do
                   cp "$f" "$2/$(basename "$(dirname "$f")").json"
                 done ;;
    adapter_config) for f in "$golden"/hub/*/adapter_config.json; do
                      cp "$f" "$2/$(basename "$(dirname "$f")").json"
                    done ;;
    tokenizer_json) cp "$golden"/tokenizer_small/*.json "$golden"/tokenizer_llama/*.json "$2" ;;
    tokenizer_model) cp "$golden"/tokenizer_llama/*.model "$2" ;;
    picture) find "$golden"/images \( -name '*.png' -o -name '*.jpg' \) -size -8k -exec cp {} "$2" \;
             cp "$golden"/image_formats/*.{bmp,gif,tif,webp} "$2" ;;
    records) printf '\0sentence\tlabel\none two\t0\n"three"\t1\n' >"$2/tsv"
             printf '\1sentence,label\n"a ""quoted"", text",1\r\nb,0\r\n' >"$2/csv"
             printf '\2{"sentence":"a","label":1}\n{"sentence":"\\u00e9","label":0}\n' >"$2/jsonl"
             printf '\3[{"prompt":"a","completion":"b"},{"messages":[{"role":"user","content":"c"}]}]\n' >"$2/json" ;;
    jinja) cp models/chat/templates/*.jinja "$2" 2>/dev/null || true
           printf '{%% for m in messages %%}{{ m.role | trim }}{%% endfor %%}' >"$2/loop" ;;
    unigram) printf '\0abab \xc3\xa9 ba' >"$2/plain"; printf '\1aba \xf0\x9f\x98\x80' >"$2/bytes" ;;
    vocabularies) { printf '\0'; cat "$golden/tokenizer_small/vocab.json"; printf '\0'
                    cat "$golden/tokenizer_small/merges.txt"; } >"$2/bpe"
                  printf '\1[UNK]\n[CLS]\n[SEP]\nhello\n##o\n' >"$2/wordpiece"
                  printf '\2IQ== 0\nIg== 1\nISI= 2\n' >"$2/tiktoken" ;;
    expression) printf '%s' "\\p{L}+|\\d{1,3}| ?[^\\s]+|\\s+(?!\\S)" >"$2/split" ;;
    hub_files) cp "$golden"/hub/*/lowland.json "$2" 2>/dev/null || true
               printf '{"eos_token_id":[1,2],"do_sample":true,"temperature":0.6}' >"$2/generation" ;;
    settings_toml) printf 'lr = 1e-3\nepochs = 3\n[data]\ntrain = ["a", "b"]\n' >"$2/toml" ;;
    run_files) printf '{"program":"lowland-roberta","verb":"finetune","settings":{"lr":0.1}}\0{"step":1,"loss":2}\n' \
                 >"$2/run" ;;
  esac
}

# words TARGET: tokens that random bytes would not find.
words() {
  case $1 in
    pickle|torch_file)
      printf '"%s"\n' 'ctorch._utils\x0a_rebuild_tensor_v2\x0a' 'ctorch._utils\x0a_rebuild_parameter\x0a' \
        'ctorch._tensor\x0a_rebuild_from_type_v2\x0a' 'ctorch\x0aFloatStorage\x0a' \
        'ctorch.storage\x0aUntypedStorage\x0a' 'ccollections\x0aOrderedDict\x0a' 'cos\x0asystem\x0a' \
        'X\x07\x00\x00\x00storage' 'PK\x03\x04' 'PK\x01\x02' 'PK\x05\x06' 'PK\x06\x06' 'PK\x06\x07' \
        'a/data.pkl' 'a/data/0' '\x80\x02' '\x8a\x08' '\x86' '\x87' '\x93' '\x94' ;;
    jinja)
      printf '"%s"\n' '{{' '}}' '{%' '%}' '{%-' '-%}' 'for x in xs recursive' 'endfor' 'if' 'else' 'endif' 'set ' \
        'macro m()' 'endmacro' 'call' 'loop(xs)' 'loop.index0' ' | tojson' ' | join' ' is defined' '[::-1]' \
        'range(99)' 'namespace()' ;;
    picture) printf '"%s"\n' '\xff\xd8\xff\xe1' 'Exif\x00\x00' 'II*\x00' 'MM\x00*' 'IHDR' 'IDAT' 'PLTE' 'tRNS' \
               '\xff\xdb' ;;
    *) printf '"%s"\n' '{' '}' '[' ']' ':' ',' 'true' 'false' 'null' '1e999' '-1' '18446744073709551615' '\x5cu0000' \
         '\xef\xbb\xbf' '\xff\xfe'
       [[ ! -d $2 ]] || { grep -ahoE '"[a-z_]{3,30}"' -r "$2" || true; } | sort -u | head -n 400 ;;
  esac
}

failed=0
for target in "$@"; do
  mkdir -p "$build/seeds/$target" "$corpus/$target"
  seeds "$target" "$build/seeds/$target"
  words "$target" "$build/seeds/$target" >"$build/$target.dict"
  if UBSAN_OPTIONS=print_stacktrace=1 "$build/bin/fuzz_$target" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=2048 \
    -max_len=16384 -print_final_stats=1 -dict="$build/$target.dict" -artifact_prefix="$build/$target-" \
    "$corpus/$target" "$build/seeds/$target" >"$build/$target.log" 2>&1; then
    awk -v name="$target" '/number_of_executed_units/ { n = $2 } /peak_rss_mb/ { m = $2 }
      END { print name ": " n " inputs, " m " MB at most" }' "$build/$target.log"
  else
    echo "$target: failed, see $build/$target.log"
    failed=1
  fi
done
exit $failed

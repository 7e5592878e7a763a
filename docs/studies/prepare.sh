#!/usr/bin/env bash
# prepare.sh DATA OUT: the files of study b from a folder with e2e, glue/SST-2 and text/wikitext-2 (README.md). Every
# hundredth reference of E2E to learn from, every fiftieth of another split to choose and to be scored on.
set -euo pipefail
data=${1:?usage: prepare.sh DATA OUT} out=${2:?usage: prepare.sh DATA OUT}
mkdir -p "$out"
quoted='function quoted(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); gsub(/\t/, " ", s); gsub(/\n/, "\\n", s); return "\"" s "\"" }'

# e2e SPLIT EVERY FILE
e2e() {
  awk -F '[|][|]' -v every="$2" "$quoted"'
    NR % every == 1 { sub(/ +$/, "", $2); print "{\"prompt\": " quoted($1 "\n") ", \"completion\": " quoted($2) "}" }
  ' "$data/e2e/$1.txt" >"$out/$3.jsonl"
}
e2e train 100 e2e_train
e2e valid 100 e2e_dev
e2e test 50 e2e_test

# sst2 SPLIT EVERY FIRST FILE
sst2() {
  awk -F '\t' -v every="$2" -v first="$3" "$quoted"'
    NR > 1 && NR % every == first {
      sub(/ +$/, "", $1)
      print "{\"prompt\": " quoted("Review: " $1 "\nIs it good or bad? It is") ", \"completion\": \"" \
            ($2 == 1 ? " good" : " bad") "\"}"
    }' "$data/glue/SST-2/$1.tsv" >"$out/$4.jsonl"
}
sst2 train 400 7 sst2_train
sst2 train 600 11 sst2_dev
sst2 dev 4 2 sst2_test

# Paragraphs of twenty words and more.
awk "$quoted"' NF >= 20 { gsub(/^ +| +$/, ""); if (++n % 40 == 1) print "{\"text\": " quoted($0) "}" }' \
  "$data/text/wikitext-2/test.txt" >"$out/wikitext.jsonl"
wc -l "$out"/*.jsonl

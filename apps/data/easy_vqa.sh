#!/usr/bin/env bash
# easy-VQA (https://github.com/vzhou842/easy-VQA) as question files of task vqa: OUT/train.jsonl and OUT/test.jsonl,
# with the names of the pictures as they lie in FOLDER.
#   bash apps/data/easy_vqa.sh FOLDER OUT      FOLDER: with train/ and test/, each with questions.json and images/
# questions.json is a list of ["question", "answer", number of the picture]; none of the texts holds a quote or bracket.
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: $0 FOLDER OUT" >&2; exit 2; }
mkdir -p "$2"
for split in train test; do
  from=$1/$split/questions.json
  [[ -f $from ]] || { echo "$from does not exist" >&2; exit 1; }
  { sed -E 's/^\[|\]$//g; s/\], *\[/]\n[/g' "$from"; echo; } |
    sed -nE 's|^\[("[^"]*"), *("[^"]*"), *([0-9]+)\]?$|{"image": "@/images/\3.png", "question": \1, "answer": \2}|p' |
    sed "s|@|$split|" > "$2/$split.jsonl"
done

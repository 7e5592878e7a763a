#!/usr/bin/env bash
# A small task with a form that no model knows beforehand: notes of a restaurant become a card of one line. Writes
# train.jsonl (300 records of prompt and completion) and test.jsonl (40, of restaurants that train.jsonl has not).
#   bash apps/restaurants.sh [FOLDER]      default: the working directory
set -euo pipefail
folder=${1:-.}
mkdir -p "$folder"
awk -v folder="$folder" '
  function pick(list, parts) { return parts[1 + int(rand() * split(list, parts, "|"))] }
  BEGIN {
    srand(7)
    place["riverside"] = "by the river"; place["city centre"] = "in the heart of town"
    place["station"] = "two minutes from your train"; place["harbour"] = "with ships at the window"
    wallet["cheap"] = "Keeps your purse shut"; wallet["moderate"] = "Fair for what you get"
    wallet["high"] = "Bring your rich aunt"
    known = "The Vaults|Blue Spice|The Mill|Zizzi|Green Man|The Punter|Cotto|The Plough|Loch Fyne|The Cricketers"
    unseen = "Aromi|The Eagle|Strada|Wildwood|Fitzbillies"
    foods = "Italian|Indian|French|Japanese|English|Chinese"
    for (i = 0; i < 340; ++i) {
      file = folder (i < 300 ? "/train.jsonl" : "/test.jsonl")
      name = pick(i < 300 ? known : unseen); food = pick(foods)
      price = pick("cheap|moderate|high"); area = pick("riverside|city centre|station|harbour")
      children = pick("yes|no")
      printf "{\"prompt\": \"name: %s; food: %s; price: %s; area: %s; children: %s\\n\", ", name, food, price, area,
        children >file
      printf "\"completion\": \"* %s * %s, %s. %s; %s.\"}\n", toupper(name), food, place[area], wallet[price],
        children == "yes" ? "little ones welcome" : "grown-ups only" >file
    }
  }'
echo "$folder/train.jsonl: 300 records; $folder/test.jsonl: 40"

#!/usr/bin/env python3
"""What easy-VQA's training questions (https://github.com/vzhou842/easy-VQA) say about their pictures, for pretraining.

    python3 data.py EASY_VQA OUT      (the standard library only)

    OUT/classes/COLOUR-SHAPE/    links to the training pictures whose colour and shape the questions tell
    OUT/captions.csv             the same in words
    OUT/language.txt             questions and answers with the picture in words, for the language model
"""
import collections
import csv
import json
import os
import re
import sys

SHAPES = ("circle", "rectangle", "triangle")


def facts(question, answer, known):
    """Adds what a question and its answer say for certain of the picture's shape and colour."""
    shape = next((s for s in SHAPES if s in question), None)
    colour = re.search(r"\b(black|gray|red|green|blue|yellow|teal|brown)\b", question)
    if answer in SHAPES:
        known["shape"] = answer
    elif answer not in ("yes", "no"):
        known["colour"] = answer
    if question.startswith(("what", "which")):  # it names what is there
        if colour:
            known["colour"] = colour.group(1)
        if shape and answer != shape:
            known["shape"] = shape
    elif (answer == "yes") != (" not " in question or " no " in question):
        if colour:
            known["colour"] = colour.group(1)
        if shape:
            known["shape"] = shape


def main():
    source, out = os.path.abspath(sys.argv[1]), sys.argv[2]
    os.makedirs(out, exist_ok=True)
    with open(f"{source}/train/questions.json") as f:
        questions = json.load(f)
    known = collections.defaultdict(dict)
    for q, a, i in questions:
        facts(q, a, known[i])
    words = {i: f"a {k['colour']} {k['shape']}" for i, k in sorted(known.items()) if len(k) == 2}
    for i, text in words.items():
        folder = f"{out}/classes/{known[i]['colour']}-{known[i]['shape']}"
        os.makedirs(folder, exist_ok=True)
        if not os.path.lexists(f"{folder}/{i}.png"):
            os.symlink(f"{source}/train/images/{i}.png", f"{folder}/{i}.png")
    with open(f"{out}/captions.csv", "w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["image", "caption"])
        rows.writerows([f"train/images/{i}.png", text] for i, text in words.items())
    with open(f"{out}/language.txt", "w") as f:
        for i, text in words.items():
            f.write(f"USER: {text}\nwhat is this? ASSISTANT: {text}\n\n")
        for q, a, i in questions:
            if i in words:
                f.write(f"USER: {words[i]}\n{q} ASSISTANT: {a}\n\n")
    print(f"{len(words)} of {len(known)} training pictures are in classes, {len(set(words.values()))} of them")


if __name__ == "__main__":
    main()

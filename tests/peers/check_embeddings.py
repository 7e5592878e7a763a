#!/usr/bin/env python3
"""Mean-pooled embeddings of texts by Lowland and by transformers.

    check_embeddings.py MODEL TEXTS [--program build/bin/embed_texts] [--lines 64] [--tolerance 1e-5]

MODEL: a folder of an encoder, as all-MiniLM-L6-v2 is one; TEXTS: a file of lines, of which a TAB makes pairs. Compared
are the means of the last hidden states over the tokens of each text, and these divided by their length.
"""
import argparse
import json
import subprocess
import sys

import torch
from transformers import AutoModel, AutoTokenizer


def by_transformers(folder, lines):
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    out = []
    with torch.no_grad():
        for line in lines:
            inputs = tokenizer(*line.split("\t", 1), truncation="longest_first", max_length=512, padding=False,
                               return_tensors="pt")
            out.append(model(**inputs).last_hidden_state[0].mean(0))
    return torch.stack(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("texts")
    parser.add_argument("--program", default="build/bin/embed_texts")
    parser.add_argument("--lines", type=int, default=64)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    args = parser.parse_args()
    with open(args.texts, encoding="utf-8", newline="\n") as f:
        lines = [line.rstrip("\n") for line, _ in zip(f, range(args.lines))]
    done = subprocess.run([args.program, args.model], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    ours = torch.tensor([json.loads(line) for line in done.stdout.splitlines()])
    theirs = by_transformers(args.model, lines)
    if ours.shape != theirs.shape:
        sys.exit(f"error: {tuple(ours.shape)} numbers, not {tuple(theirs.shape)}")
    unit = torch.nn.functional.normalize
    plain, units = float((ours - theirs).abs().max()), float((unit(ours) - unit(theirs)).abs().max())
    print(f"{len(lines)} texts, largest number {float(theirs.abs().max()):.3f}: means within {plain:.2e}, "
          f"of length 1 within {units:.2e}")
    if not max(plain, units) <= args.tolerance:
        sys.exit("error: the embeddings differ")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The first steps of a classifier beside transformers and peft, on a real checkpoint: the same examples, adapter and head.

    check_classifier.py MODEL TRAIN.tsv [--program build/bin/lowland-roberta] [--work DIR] [--examples 16] [--steps 5]
        MODEL: a folder of an encoder or a decoder; TRAIN.tsv: SST-2's (sentence, label)

peft makes an adapter with a head on a copy of MODEL without dropout, and learns from the first examples, all of them in
each step, padded and masked. lowland-roberta goes on from the same adapter, without padding. Losses must agree to 1e-4
of their size; and the logits of both adapters afterwards, each read by transformers, to 1e-2.
"""
import argparse
import csv
import json
import os
import shutil
import subprocess

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

LR = 1e-3
DROPOUTS = ("dropout", "pdrop")


def copy_without_dropout(model, to):
    shutil.copytree(model, to)
    path = os.path.join(to, "config.json")
    with open(path) as f:
        config = json.load(f)
    for key, value in config.items():
        if any(part in key for part in DROPOUTS) and isinstance(value, float):
            config[key] = 0.0
    with open(path, "w") as f:
        json.dump(config, f)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("train")
    parser.add_argument("--program", default="build/bin/lowland-roberta")
    parser.add_argument("--work", default="/tmp/check_classifier")
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    os.makedirs(os.path.join(args.work, "SST-2"))
    base, data = os.path.join(args.work, "base"), os.path.join(args.work, "SST-2")
    copy_without_dropout(args.model, base)
    with open(args.train, newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))[:args.examples]
    for name in ("train.tsv", "dev.tsv"):
        with open(os.path.join(data, name), "w") as f:
            f.write("sentence\tlabel\n" + "".join(f"{r['sentence']}\t{r['label']}\n" for r in rows))

    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(base)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
    tokenizer.padding_side = "right"
    decoder = hasattr(model, "score")
    adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, task_type="SEQ_CLS",
                                               modules_to_save=["score" if decoder else "classifier"]))
    before = os.path.join(args.work, "before")
    adapted.save_pretrained(before)
    texts, labels = [r["sentence"] for r in rows], torch.tensor([int(r["label"]) for r in rows])
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=LR, weight_decay=0.0)
    adapted.train()
    theirs = []
    for _ in range(args.steps):
        optimizer.zero_grad()
        loss = adapted(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    adapted.eval()
    with torch.no_grad():
        wanted = adapted(**batch).logits

    run = os.path.join(args.work, "run")
    subprocess.run([args.program, "finetune", "--model", base, "--adapter", before, "--data", args.work, "--task", "sst2",
                    "--method", "lora", "--lr", str(LR), "--schedule", "constant", "--warmup-ratio", "0",
                    "--max-grad-norm", "0", "--max-steps", str(args.steps), "--batch-size", str(args.examples),
                    "--logging-steps", "1", "--dtype", "f32", "--out", run], check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(run, "metrics.jsonl")) as f:
        ours = [row["loss"] for row in map(json.loads, f) if "loss" in row][:args.steps]
    again = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2, dtype=torch.float32)
    again.config.pad_token_id = tokenizer.pad_token_id
    again = PeftModel.from_pretrained(again, os.path.join(run, "adapter")).eval()
    with torch.no_grad():
        got = again(**batch).logits
    off = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))
    print("transformers + peft", [round(x, 6) for x in theirs])
    print("lowland            ", [round(x, 6) for x in ours])
    print(f"losses differ by {off:.1e} of their size; logits after {args.steps} steps by {(got - wanted).abs().max():.1e}")
    assert len(ours) == args.steps and off < 1e-4 and (got - wanted).abs().max() < 1e-2


main()

#!/usr/bin/env python3
"""AdamW LoRA steps in torch and peft, their losses compared with a file's.

    check_training.py BASE ADAPTER RUN.json [--tolerance 1e-4]

BASE: a checkpoint folder; ADAPTER: where the training starts (so that A is the same); RUN.json: {"lr": 1e-2,
"batches": [{"ids": [[...], ...], "labels": [...]}, ...], "losses": [loss before each step]}. Step t uses batch
t mod the number of batches; as many steps as losses (20 where there are none: they are then only printed).
Constant lr, betas 0.9, 0.999, eps 1e-8, weight decay 0, dropouts off, no clipping ("max_grad_norm" in the file
sets one).
"""
import argparse
import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification


def collate(batch, regression):
    longest = max(map(len, batch["ids"]))
    ids = torch.tensor([s + [1] * (longest - len(s)) for s in batch["ids"]])
    mask = torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in batch["ids"]])
    labels = torch.tensor(batch["labels"], dtype=torch.float32 if regression else torch.long)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def train(model, run, steps, regression):
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=run["lr"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for step in range(steps):
        loss = model(**collate(run["batches"][step % len(run["batches"])], regression)).loss
        optimizer.zero_grad()
        loss.backward()
        if run.get("max_grad_norm"):
            torch.nn.utils.clip_grad_norm_(params, run["max_grad_norm"])
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("adapter")
    parser.add_argument("run")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--labels", type=int, help="where the base folder has no task head")
    args = parser.parse_args()
    with open(args.run) as f:
        run = json.load(f)
    extra = {"num_labels": args.labels} if args.labels else {}
    base = AutoModelForSequenceClassification.from_pretrained(args.base, **extra)
    model = PeftModel.from_pretrained(base, args.adapter, is_trainable=True).eval()  # no dropout, but gradients
    given = run.get("losses", [])
    losses = train(model, run, len(given) or 20, base.config.num_labels == 1)
    print(json.dumps({"losses": losses}))
    if not given:
        return
    differences = [abs(a - b) for a, b in zip(losses, given, strict=True)]
    print(f"largest difference over {len(given)} losses: {max(differences):.2e}")
    if not all(d <= args.tolerance for d in differences):  # max() may pass over a NaN
        sys.exit("error: losses differ")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes tests/golden/bf16_bounds.json: how far PyTorch + peft in bf16 are from the float64 goldens.

    python make_bf16_bounds.py [OUT]      (torch, transformers, peft, safetensors)

Of the tiny models in this folder, with their adapters: base weights in bf16, adapter and head in float32, autocast to
bf16, on the CPU. What a GPU computes in bf16 is held against these numbers: `logits`, the largest difference; `grad`, the
norm of the difference of all gradients over their norm; `losses`, the largest difference over 20 steps.
"""
import json
import os
import sys

import peft
import torch
import transformers
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
LR = 1e-2


def adapted(folder, kind):
    base = kind.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").eval()
    model = peft.PeftModel.from_pretrained(base, os.path.join(folder, "adapter"), is_trainable=True).eval()
    for p in model.parameters():
        if p.requires_grad:
            p.data = p.data.float()
    return model


def sequences(golden, ids, cu):
    bounds = golden[cu].tolist()
    return [golden[ids][a:b].long() for a, b in zip(bounds, bounds[1:])]


def plain(name):
    return name.replace(".default.weight", ".weight").replace("modules_to_save.default.", "")


class Classifier:
    """roberta_tiny: padded and masked batches with a label each."""

    def __init__(self, name):
        self.folder = os.path.join(HERE, name)
        self.golden = load_file(os.path.join(self.folder, "golden.safetensors"))
        self.model = adapted(self.folder, transformers.RobertaForSequenceClassification)

    def run(self, prefix, suffix):
        seqs = sequences(self.golden, f"{prefix}/ids{suffix}", f"{prefix}/cu_seqlens{suffix}")
        ids = torch.nn.utils.rnn.pad_sequence(seqs, batch_first=True, padding_value=1)
        logits = self.model(input_ids=ids, attention_mask=(ids != 1).long()).logits
        return logits, torch.nn.functional.cross_entropy(logits.float(), self.golden[f"{prefix}/labels{suffix}"].long())


class Decoder:
    """gpt2_tiny, llama_tiny/*: sequences one by one, the loss over the tokens with a target."""

    def __init__(self, name):
        self.folder = os.path.join(HERE, name)
        self.golden = load_file(os.path.join(self.folder, "golden.safetensors"))
        self.model = adapted(self.folder, transformers.AutoModelForCausalLM)

    def run(self, prefix, suffix):
        seqs = sequences(self.golden, f"{prefix}/ids{suffix}", f"{prefix}/cu_seqlens{suffix}")
        logits = torch.cat([self.model(input_ids=s[None]).logits[0] for s in seqs])
        wanted = self.golden[f"{prefix}/targets{suffix}"].long()
        keep = wanted != -100
        return logits, torch.nn.functional.cross_entropy(logits[keep].float(), wanted[keep])


def bounds(case):
    golden, model = case.golden, case.model
    trained = {plain(n): p for n, p in model.named_parameters() if p.requires_grad}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, loss = case.run("batch", "")
    loss.backward()
    reference = {n[len("lora/grad/"):]: g for n, g in golden.items() if n.startswith("lora/grad/")}
    assert set(reference) == set(trained), set(reference) ^ set(trained)
    off = sum(float((trained[n].grad.double() - g.double()).norm() ** 2) for n, g in reference.items())
    size = sum(float(g.double().norm() ** 2) for g in reference.values())
    out = {"logits": float((logits.detach().double() - golden["lora/logits"].double()).abs().max()),
           "grad": (off / size) ** 0.5}
    optimizer = torch.optim.AdamW(trained.values(), lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for step in range(len(golden["train/losses"])):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = case.run("train", f"_{step % 4}")[1]
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    out["losses"] = float((torch.tensor(losses, dtype=torch.float64) - golden["train/losses"]).abs().max())
    return {k: float(f"{v:.3g}") for k, v in out.items()}


def main():
    torch.set_num_threads(1)
    result = {"written_by": f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}",
              "roberta_tiny": bounds(Classifier("roberta_tiny"))}
    for name in ("llama", "mistral", "qwen2", "qwen3", "phi3", "gemma3"):
        result["llama_tiny/" + name] = bounds(Decoder("llama_tiny/" + name))
    result["gpt2_tiny"] = bounds(Decoder("gpt2_tiny"))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "bf16_bounds.json")
    with open(path, "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()

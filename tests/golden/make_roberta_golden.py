#!/usr/bin/env python3
"""Writes tests/golden/roberta_tiny/: a tiny RoBERTa, a LoRA adapter, and what they compute.

    python make_roberta_golden.py [OUT]      (torch, transformers, peft, safetensors)

Everything is computed by transformers and peft in float64, on padded and masked batches, from weights that are
exact in float32; Lowland's packed rows must give the same numbers. roberta_tiny/README.md tells the tensors' names.
"""
import copy
import json
import os
import platform
import shutil
import sys

import peft
import safetensors
import torch
import transformers
from safetensors.torch import save_file

SEED, VOCAB, MASK, PAD = 20240611, 120, 4, 1
LENGTHS = [9, 3, 17, 1, 12]                     # of the batch every gradient is taken of
TRAIN_LENGTHS = [[6, 11, 4, 8], [13, 2, 7, 5], [3, 9, 10, 16], [5, 5, 12, 1]]
STEPS, LR = 20, 1e-2


def tiny_config(num_labels):
    return transformers.RobertaConfig(
        vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=40, type_vocab_size=1, layer_norm_eps=1e-5,
        hidden_act="gelu", initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        pad_token_id=PAD, bos_token_id=0, eos_token_id=2, num_labels=num_labels)


def scatter_parameters(model, std=0.2):
    """Biases and norms are born as zeros and ones, which would hide a missing term: make them random."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            mean = 1.0 if name.endswith("orm.weight") else 0.0
            p.copy_(mean + std * torch.randn(p.shape))


def random_sequences(lengths, gen):
    """<s> ... </s>; the first sequence of length 1 is <s> alone. Ids 5.. are ordinary."""
    out = []
    for n in lengths:
        ids = torch.randint(5, VOCAB, (n,), generator=gen)
        ids[0] = 0
        if n > 1:
            ids[-1] = 2
        out.append(ids)
    return out


def pack(seqs):
    cu = torch.tensor([0] + [len(s) for s in seqs]).cumsum(0)
    return torch.cat(seqs).to(torch.int32), cu.to(torch.int32)


def pad(seqs):
    ids = torch.full((len(seqs), max(map(len, seqs))), PAD)
    for row, s in zip(ids, seqs):
        row[:len(s)] = s
    return {"input_ids": ids, "attention_mask": (ids != PAD).long()}


def gradients(model):
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}


def run(model, seqs, labels):
    model.zero_grad()
    out = model(**pad(seqs), labels=labels)
    out.loss.backward()
    return out.logits.detach(), out.loss.detach(), gradients(model)


def plain(name):
    """A peft parameter's name as the adapter file has it."""
    return name.replace(".default", "").replace("modules_to_save.", "")


def double(model):
    return copy.deepcopy(model).double().eval()


class Golden:
    """Losses and logits are stored as F64, gradients and weights as F32 (rounded once from float64)."""

    def __init__(self):
        self.tensors = {}

    def put(self, name, value):
        self.tensors[name] = value.detach().contiguous().clone()

    def put_run(self, prefix, result, only=""):
        logits, loss, grads = result
        self.put(prefix + "/logits", logits)
        self.put(prefix + "/loss", loss.reshape(1))
        for n, g in grads.items():
            if only in n:
                self.put(prefix + "/grad/" + plain(n), g.float())


def classification(golden, base, seqs, labels):
    golden.put("batch/ids", pack(seqs)[0])
    golden.put("batch/cu_seqlens", pack(seqs)[1])
    golden.put("batch/labels", labels.to(torch.int32))
    result = run(double(base), seqs, labels)
    golden.put_run("full", result)
    with torch.no_grad():
        single = base.eval()(**pad(seqs), labels=labels)
    print("float32 against float64: logits", float((single.logits - result[0]).abs().max()),
          "loss", float((single.loss - result[1]).abs()))


def lora(golden, base, seqs, labels, gen, out):
    config = peft.LoraConfig(task_type="SEQ_CLS", r=3, lora_alpha=6, lora_dropout=0.0,
                             target_modules=["query", "value"], modules_to_save=["classifier"])
    model = peft.get_peft_model(copy.deepcopy(base), config)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_B" in n or ("modules_to_save" in n and p.requires_grad):
                p.add_(0.2 * torch.randn(p.shape, generator=gen))
    model.save_pretrained(os.path.join(out, "adapter"))
    os.remove(os.path.join(out, "adapter", "README.md"))
    rewrite_base_name(os.path.join(out, "adapter", "adapter_config.json"))
    golden.put_run("lora", run(double(model), seqs, labels))
    for dtype in (torch.float32, torch.float64):
        losses, final = adamw_steps(copy.deepcopy(model).to(dtype).eval(), golden)
        if dtype == torch.float32:
            single = losses
    golden.put("train/losses", losses)
    print("20 AdamW steps, float32 against float64:", float((losses - single).abs().max()))
    for n, p in final.items():
        golden.put("train/final/" + n, p.float())


def adamw_steps(model, golden):
    gen = torch.Generator().manual_seed(SEED + 1)
    batches = []
    for k, lengths in enumerate(TRAIN_LENGTHS):
        seqs = random_sequences(lengths, gen)
        labels = torch.randint(0, 3, (len(lengths),), generator=gen)
        batches.append((seqs, labels))
        golden.put(f"train/ids_{k}", pack(seqs)[0])
        golden.put(f"train/cu_seqlens_{k}", pack(seqs)[1])
        golden.put(f"train/labels_{k}", labels.to(torch.int32))
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        _, loss, _ = run(model, *batches[step % len(batches)])
        optimizer.step()
        losses.append(loss.double())
    return torch.stack(losses), {plain(n): p for n, p in model.named_parameters() if p.requires_grad}


def regression(golden, base, seqs, gen):
    model = transformers.RobertaForSequenceClassification(tiny_config(1))
    model.load_state_dict({k: v for k, v in base.state_dict().items() if "out_proj" not in k}, strict=False)
    with torch.no_grad():
        for p in model.classifier.parameters():
            p.copy_(0.3 * torch.randn(p.shape, generator=gen))
    targets = torch.rand(len(seqs), generator=gen, dtype=torch.float64)
    targets = torch.round(50 * targets) / 10  # 0.0 to 5.0, as STS-B
    golden.put("regression/targets", targets)
    for n, p in model.classifier.named_parameters():
        golden.put("regression/weight/classifier." + n, p)
    golden.put_run("regression", run(double(model), seqs, targets), only="classifier")


def masked_lm(golden, base, seqs, gen, out):
    model = transformers.RobertaForMaskedLM(tiny_config(2))
    scatter_parameters(model)
    model.roberta.load_state_dict(base.roberta.state_dict())
    model.tie_weights()
    model.save_pretrained(os.path.join(out, "mlm"))
    masked, labels = [], []
    for s in seqs:
        target = torch.full_like(s, -100)
        picked = (torch.rand(len(s), generator=gen) < 0.3) & (s >= 5)
        target[picked] = s[picked]
        masked.append(torch.where(picked, torch.tensor(MASK), s))
        labels.append(target)
    golden.put("mlm/ids", pack(masked)[0])
    golden.put("mlm/targets", pack(labels)[0])
    wide = torch.full((len(seqs), max(map(len, seqs))), -100)
    for row, t in zip(wide, labels):
        row[:len(t)] = t
    logits, loss, grads = run(double(model), masked, wide)
    golden.put_run("mlm", (logits[wide != -100], loss, grads))


def rewrite_base_name(path):
    with open(path) as f:
        config = json.load(f)
    config["base_model_name_or_path"] = "roberta_tiny"
    config["target_modules"].sort()  # peft keeps a set, whose order differs from run to run
    with open(path, "w") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "roberta_tiny")
    for folder in ("adapter", "mlm"):
        shutil.rmtree(os.path.join(out, folder), ignore_errors=True)
    os.makedirs(out, exist_ok=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "peft": peft.__version__,
                "transformers": transformers.__version__, "safetensors": safetensors.__version__}
    print(versions)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    gen = torch.Generator().manual_seed(SEED)
    base = transformers.RobertaForSequenceClassification(tiny_config(3))
    scatter_parameters(base)
    base.save_pretrained(out)
    seqs = random_sequences(LENGTHS, gen)
    labels = torch.tensor([2, 0, 1, 1, 0])
    golden = Golden()
    classification(golden, base, seqs, labels)
    lora(golden, base, seqs, labels, gen, out)
    regression(golden, base, seqs, gen)
    masked_lm(golden, base, seqs, gen, out)
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"),
              metadata={"written_by": json.dumps({"seed": SEED, **{k: str(v) for k, v in versions.items()}})})
    for n, t in sorted(golden.tensors.items()):
        print(n, list(t.shape), str(t.dtype).replace("torch.", ""), f"{float(t.double().norm()):.4g}")


if __name__ == "__main__":
    main()

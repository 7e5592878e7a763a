#!/usr/bin/env python3
"""Writes tests/golden/bert_tiny/ and distilbert_tiny/: what make_roberta_golden.py writes of a RoBERTa.

    python make_encoder_golden.py [OUT]      (torch, transformers, peft, safetensors; vocab.txt is written by hand)

Computed by transformers and peft in float64, on padded and masked batches, from weights that are exact in float32.
Sequences of BERT are pairs: the rows from the middle on have token type 1. The tensors have the names that
roberta_tiny/README.md tells, and batch/types, train/types_K besides.
"""
import copy
import json
import os
import shutil
import sys

import peft
import torch
import transformers
from safetensors.torch import save_file

from make_roberta_golden import LENGTHS, LR, SEED, STEPS, TRAIN_LENGTHS, Golden, double, gradients, pack, plain, \
    scatter_parameters

VOCAB, PAD, CLS, SEP, MASK = 60, 0, 2, 3, 4
SIZES = {
    "bert": dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
                 hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
    "distilbert": dict(dim=16, n_layers=2, n_heads=2, hidden_dim=24, dropout=0.0, attention_dropout=0.0,
                       seq_classif_dropout=0.0),
}
CLASSES = {
    "bert": (transformers.BertConfig, transformers.BertForSequenceClassification, transformers.BertForMaskedLM),
    "distilbert": (transformers.DistilBertConfig, transformers.DistilBertForSequenceClassification,
                   transformers.DistilBertForMaskedLM),
}
TARGETS = {"bert": ["query", "value"], "distilbert": ["q_lin", "v_lin"]}


class Maker:
    def __init__(self, kind, out):
        self.kind, self.out = kind, out
        self.make_config, self.classifier, self.masked_lm = CLASSES[kind]
        self.gen = torch.Generator().manual_seed(SEED)
        self.golden = Golden()

    def config(self, labels):
        return self.make_config(vocab_size=VOCAB, max_position_embeddings=24, initializer_range=0.2,
                                num_labels=labels, pad_token_id=PAD, **SIZES[self.kind])

    def sequences(self, lengths):
        out = []
        for n in lengths:
            ids = torch.randint(5, VOCAB, (n,), generator=self.gen)
            ids[0] = CLS
            if n > 1:
                ids[-1] = SEP
            out.append(ids)
        return out

    def types(self, seqs):
        return [(torch.arange(len(s)) > len(s) // 2).long() if self.kind == "bert" else torch.zeros(len(s)).long()
                for s in seqs]

    def inputs(self, seqs):
        width = max(map(len, seqs))
        wide = lambda rows: torch.stack([torch.nn.functional.pad(r, (0, width - len(r))) for r in rows])
        ids = {"input_ids": wide(seqs), "attention_mask": wide([torch.ones(len(s)).long() for s in seqs])}
        return ids | ({"token_type_ids": wide(self.types(seqs))} if self.kind == "bert" else {})

    def put_batch(self, prefix, suffix, seqs, labels):
        for name, value in (("ids", pack(seqs)[0]), ("cu_seqlens", pack(seqs)[1]), ("types", pack(self.types(seqs))[0]),
                            ("labels", labels.to(torch.int32))):
            self.golden.put(f"{prefix}/{name}{suffix}", value)

    def run(self, model, seqs, labels):
        model.zero_grad()
        out = model(**self.inputs(seqs), labels=labels)
        out.loss.backward()
        return out.logits.detach(), out.loss.detach(), gradients(model)

    def lora(self, base, seqs, labels):
        config = peft.LoraConfig(task_type="SEQ_CLS", r=3, lora_alpha=6, lora_dropout=0.0,
                                 target_modules=TARGETS[self.kind])
        model = peft.get_peft_model(copy.deepcopy(base), config)
        with torch.no_grad():
            for n, p in model.named_parameters():
                if "lora_B" in n or ("modules_to_save" in n and p.requires_grad):
                    p.add_(0.2 * torch.randn(p.shape, generator=self.gen))
        folder = os.path.join(self.out, "adapter")
        model.save_pretrained(folder)
        os.remove(os.path.join(folder, "README.md"))
        path = os.path.join(folder, "adapter_config.json")
        with open(path) as f:
            written = json.load(f)
        written["base_model_name_or_path"] = self.kind + "_tiny"
        written["target_modules"].sort()
        written["modules_to_save"] = sorted(set(written["modules_to_save"]))
        with open(path, "w") as f:
            json.dump(written, f, indent=2, sort_keys=True)
            f.write("\n")
        self.golden.put_run("lora", self.run(double(model), seqs, labels))
        losses = self.adamw_steps(double(model))
        self.golden.put("train/losses", losses)
        print("20 AdamW steps, float32 against float64:",
              float((losses - self.adamw_steps(copy.deepcopy(model).eval(), put=False)).abs().max()))

    def adamw_steps(self, model, put=True):
        self.gen.manual_seed(SEED + 1)
        batches = []
        for k, lengths in enumerate(TRAIN_LENGTHS):
            seqs = self.sequences(lengths)
            labels = torch.randint(0, 3, (len(lengths),), generator=self.gen)
            batches.append((seqs, labels))
            if put:
                self.put_batch("train", f"_{k}", seqs, labels)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LR, betas=(0.9, 0.999),
                                      eps=1e-8, weight_decay=0.0)
        losses = []
        for step in range(STEPS):
            _, loss, _ = self.run(model, *batches[step % len(batches)])
            optimizer.step()
            losses.append(loss.double())
        return torch.stack(losses)

    def regression(self, base, seqs):
        model = self.classifier(self.config(1))
        model.load_state_dict({k: v for k, v in base.state_dict().items() if not k.startswith("classifier")},
                              strict=False)
        with torch.no_grad():
            for p in model.classifier.parameters():
                p.copy_(0.3 * torch.randn(p.shape, generator=self.gen))
        targets = torch.round(50 * torch.rand(len(seqs), generator=self.gen, dtype=torch.float64)) / 10
        self.golden.put("regression/targets", targets)
        for n, p in model.classifier.named_parameters():
            self.golden.put("regression/weight/classifier." + n, p)
        self.golden.put_run("regression", self.run(double(model), seqs, targets), only="classifier")

    def language(self, base, seqs):
        model = self.masked_lm(self.config(2))
        scatter_parameters(model)
        getattr(model, self.kind).load_state_dict(getattr(base, self.kind).state_dict(), strict=False)
        model.tie_weights()
        model.save_pretrained(os.path.join(self.out, "mlm"))
        masked, labels = [], []
        for s in seqs:
            picked = (torch.rand(len(s), generator=self.gen) < 0.3) & (s >= 5)
            labels.append(torch.where(picked, s, torch.tensor(-100)))
            masked.append(torch.where(picked, torch.tensor(MASK), s))
        self.golden.put("mlm/ids", pack(masked)[0])
        self.golden.put("mlm/targets", pack(labels)[0])
        wide = torch.full((len(seqs), max(map(len, seqs))), -100)
        for row, t in zip(wide, labels):
            row[:len(t)] = t
        logits, loss, grads = self.run(double(model), masked, wide)
        self.golden.put_run("mlm", (logits[wide != -100], loss, grads))

    def all(self):
        for folder in ("adapter", "mlm"):
            shutil.rmtree(os.path.join(self.out, folder), ignore_errors=True)
        os.makedirs(self.out, exist_ok=True)
        torch.manual_seed(SEED)
        base = self.classifier(self.config(3))
        scatter_parameters(base)
        base.save_pretrained(self.out)
        seqs, labels = self.sequences(LENGTHS), torch.tensor([2, 0, 1, 1, 0])
        self.put_batch("batch", "", seqs, labels)
        self.golden.put_run("full", self.run(double(base), seqs, labels))
        self.lora(base, seqs, labels)
        self.regression(base, seqs)
        self.language(base, seqs)
        versions = {m.__name__: m.__version__ for m in (torch, peft, transformers)}
        save_file(self.golden.tensors, os.path.join(self.out, "golden.safetensors"),
                  metadata={"written_by": json.dumps({"seed": SEED, **versions})})


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    for kind in ("bert", "distilbert"):
        Maker(kind, os.path.join(out, kind + "_tiny")).all()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Adapters between Lowland and peft, both ways.

    check_adapter.py dump OUT [--model BASE] [--labels 3] [--rank 4]
        writes OUT/base (unless given), OUT/adapter by peft with B != 0, and OUT/reference.json
    check_adapter.py check BASE ADAPTER PREDICTED.json [--tolerance 1e-4]
        loads a folder Lowland wrote; no key may be missing or unexpected, the logits must be those in the
        file and must not be the base model's

JSON: {"ids": [[token ids of a sequence], ...], "logits": [[...], ...]}; for an adapter of a masked-LM model (no task
type) also "positions": the row of each sequence whose logits are meant, and "columns": the vocabulary ids kept
(optional).
"""
import argparse
import json
import os
import sys

import torch
from peft import LoraConfig, PeftConfig, get_peft_model, load_peft_weights, set_peft_model_state_dict
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForSequenceClassification, RobertaConfig


def load_base(folder, config, labels):
    if config.task_type is None:
        return AutoModelForMaskedLM.from_pretrained(folder)
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels)


def load_adapter(base, folder, config):
    """peft loads with strict=False, so its own report of keys is read."""
    config.inference_mode = False
    model = get_peft_model(base, config)
    result = set_peft_model_state_dict(model, load_peft_weights(folder, device="cpu"))
    own = [k for k in result.missing_keys if "lora_" in k or "modules_to_save" in k]
    if own or result.unexpected_keys:
        sys.exit(f"error: missing keys {own}, unexpected keys {list(result.unexpected_keys)}")
    return model.eval()


def logits_of(model, reference):
    rows = []
    with torch.no_grad():
        for i, ids in enumerate(reference["ids"]):  # one at a time: no padding anywhere
            logits = model(input_ids=torch.tensor([ids])).logits[0]
            if "positions" in reference:
                logits = logits[reference["positions"][i]]
                logits = logits[reference["columns"]] if "columns" in reference else logits
            rows.append(logits)
    return torch.stack(rows)


def check(args):
    with open(args.predicted) as f:
        reference = json.load(f)
    given = torch.tensor(reference["logits"])
    config = PeftConfig.from_pretrained(args.adapter)
    base = load_base(args.base, config, given.shape[-1])
    before = logits_of(base.eval(), reference)
    after = logits_of(load_adapter(base, args.adapter, config), reference)
    if after.shape != given.shape:
        sys.exit(f"error: peft gives logits of {tuple(after.shape)}, the file has {tuple(given.shape)}")
    difference = float((after - given).abs().max())
    from_base = float((before - given).abs().max())
    print(f"peft against the file: {difference:.2e}; the base model without adapter: {from_base:.2e}")
    if not (difference <= args.tolerance and from_base > 10 * args.tolerance):
        sys.exit("error: " + ("the adapter changes nothing" if difference <= args.tolerance else "logits differ"))


def dump(args):
    torch.manual_seed(args.seed)
    base_folder = args.model or os.path.join(args.out, "base")
    if args.model is None:
        tiny = RobertaConfig(vocab_size=200, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
                             intermediate_size=96, max_position_embeddings=66, type_vocab_size=1,
                             layer_norm_eps=1e-5, pad_token_id=1, initializer_range=0.2, num_labels=args.labels)
        AutoModelForSequenceClassification.from_config(tiny).save_pretrained(base_folder)
    vocab = AutoConfig.from_pretrained(base_folder).vocab_size
    config = LoraConfig(task_type="SEQ_CLS", r=args.rank, lora_alpha=2 * args.rank, lora_dropout=0.1,
                        target_modules=args.targets.split(","), modules_to_save=["classifier"])
    model = get_peft_model(load_base(base_folder, config, args.labels), config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name or ("modules_to_save" in name and p.requires_grad):
                p.add_(0.1 * torch.randn(p.shape))
    model.save_pretrained(os.path.join(args.out, "adapter"))
    ids = [[0] + torch.randint(5, vocab, (n,)).tolist() + [2] for n in (1, 7, 30, 12)]
    reference = {"ids": ids}
    reference["logits"] = logits_of(model, reference).tolist()
    with model.disable_adapter():
        reference["base_logits"] = logits_of(model, reference).tolist()
    with open(os.path.join(args.out, "reference.json"), "w") as f:
        json.dump(reference, f)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(dest="verb", required=True)
    p = sub.add_parser("dump")
    p.add_argument("out")
    p.add_argument("--model")
    p.add_argument("--labels", type=int, default=3)
    p.add_argument("--rank", type=int, default=4)
    p.add_argument("--targets", default="query,value")
    p.add_argument("--seed", type=int, default=1)
    p = sub.add_parser("check")
    p.add_argument("base")
    p.add_argument("adapter")
    p.add_argument("predicted")
    p.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    dump(args) if args.verb == "dump" else check(args)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Times the LoRA training step of RoBERTa in PyTorch + peft on a GPU (random weights), as bench does.

    bench_roberta_gpu.py --model large --batch 32 --length 128 --compile eager|default|reduce-overhead
    bench_roberta_gpu.py --model large --lengths LENGTHS.json      batches of these lengths, padded to the longest

A step: forward under bf16 autocast of bf16 base weights, backward, clipping to 1, fused AdamW, zero_grad; r 8, alpha 16
on query and value, head in modules_to_save, dropouts 0.1. Attention is sdpa. The last line of the output is one JSON
object.
"""
import argparse
import json

import torch
from peft import LoraConfig, get_peft_model
from transformers import RobertaConfig, RobertaForSequenceClassification

from timing import gpu_figures, print_gpu


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", choices=["base", "large"], default="large")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--length", type=int, default=128)
    p.add_argument("--lengths", metavar="FILE")
    p.add_argument("--compile", choices=["eager", "default", "reduce-overhead"], default="eager")
    p.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    p.add_argument("--steps", type=int, default=30)
    p.add_argument("--warmup", type=int, default=10)
    return p.parse_args()


def make_model(args):
    large = args.model == "large"
    config = RobertaConfig(vocab_size=50265, hidden_size=1024 if large else 768, num_hidden_layers=24 if large else 12,
                           num_attention_heads=16 if large else 12, intermediate_size=4096 if large else 3072,
                           max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, num_labels=2,
                           pad_token_id=1, bos_token_id=0, eos_token_id=2)
    config._attn_implementation = "sdpa"
    torch.manual_seed(1)
    model = RobertaForSequenceClassification(config)
    if args.dtype == "bf16":
        model = model.to(torch.bfloat16)
    model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"]))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # adapters and head: f32 masters
    return model.cuda().train()


def make_batches(args):
    if args.lengths:
        lengths = json.load(open(args.lengths))
        lengths = lengths["lengths"] if isinstance(lengths, dict) else lengths
    else:
        lengths = [[args.length] * args.batch]
    out = []
    for batch in lengths:
        longest = max(batch)
        ids = torch.randint(5, 50000, (len(batch), longest))
        mask = torch.zeros_like(ids)
        for row, n in enumerate(batch):
            mask[row, :n] = 1
            ids[row, n:] = 1
        labels = torch.arange(len(batch)) % 2
        out.append({k: v.cuda() for k, v in {"input_ids": ids, "attention_mask": mask, "labels": labels}.items()})
    return out, sum(map(sum, lengths)) / len(lengths)


def main():
    args = arguments()
    model = make_model(args)
    batches, tokens = make_batches(args)
    figures = gpu_figures(model, batches, args, dynamic=bool(args.lengths) or None, autocast=args.dtype == "bf16")
    print_gpu(figures, tokens, method="peft " + args.compile, preset="roberta-" + args.model, dtype=args.dtype,
              shape="lengths" if args.lengths else f"{args.batch} x {args.length}")


if __name__ == "__main__":
    main()

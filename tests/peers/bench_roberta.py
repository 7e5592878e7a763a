#!/usr/bin/env python3
"""Times the LoRA training step of roberta-base in PyTorch + peft (random weights, CPU).

    bench_roberta.py --threads 2                                      8 x 128, full length
    bench_roberta.py --threads 2 --rte RTE/train.tsv --tokenizer DIR  50 random batches of 32, padded to the longest
                     --batches batches.json                           (read if the file exists, else written)
    bench_roberta.py --save-model DIR                                 only writes the random base model

--dtype bf16: with weights in f32 under autocast, and with weights in bf16; both are timed in turns, the faster is
step_ms. Lowland's: `lowland-roberta bench --preset roberta-base --dtype bf16`, on a CPU that multiplies bf16.
A step: forward, backward, clipping to 1, AdamW, zero_grad; r 8, alpha 16 on query and value, head in
modules_to_save, dropouts as in the config (0.1). Attention is eager or sdpa, the faster in a short trial, unless
--attention. The last line of the output is one JSON object.
batches.json: {"seed", "batch_size", "batches": [{"indices", "lengths"}, ...]}: rows of train.tsv (0-based, header
not counted) and their lengths in tokens, special tokens included.
"""
import argparse
import csv
import json
import os
import random
import statistics

import torch
from peft import LoraConfig, get_peft_model
from transformers import RobertaConfig, RobertaForSequenceClassification

from timing import PEERS, adamw_step, cpu_step, faster_attention, in_dtype, timed


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--batch", type=int, help="default 8, with --rte 32")
    p.add_argument("--length", type=int, default=128)
    p.add_argument("--steps", type=int, help="default 30, with --rte 50")
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--layers", type=int, default=12, help="fewer for a smoke test")
    p.add_argument("--attention", choices=["auto", "eager", "sdpa"], default="auto")
    p.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--rte", metavar="TRAIN.TSV")
    p.add_argument("--tokenizer", metavar="DIR", help="folder with vocab.json and merges.txt")
    p.add_argument("--batches", metavar="FILE")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--save-model", metavar="DIR")
    return p.parse_args()


def roberta_base(args):
    return RobertaConfig(vocab_size=50265, hidden_size=768, num_hidden_layers=args.layers,
                         num_attention_heads=12, intermediate_size=3072, max_position_embeddings=514,
                         type_vocab_size=1, layer_norm_eps=1e-5,
                         hidden_dropout_prob=args.dropout, attention_probs_dropout_prob=args.dropout,
                         pad_token_id=1, bos_token_id=0, eos_token_id=2, num_labels=2)


def base_model(args, attention="eager"):
    torch.manual_seed(args.seed)
    config = roberta_base(args)
    config._attn_implementation = attention
    return RobertaForSequenceClassification(config)


def trainer(args, attention, how):
    """A function that makes one step of the model in training mode."""
    config = LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, lora_dropout=0.0,
                        target_modules=["query", "value"], modules_to_save=["classifier"])
    model = get_peft_model(in_dtype(base_model(args, attention), how), config).train()
    return cpu_step(adamw_step(model), how)


def rte_lengths(args):
    from tokenizers import ByteLevelBPETokenizer
    bpe = ByteLevelBPETokenizer(*(os.path.join(args.tokenizer, f) for f in ("vocab.json", "merges.txt")))
    with open(args.rte, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    pairs = [bpe.encode_batch([r[c] for r in rows]) for c in ("sentence1", "sentence2")]
    return [min(512, len(a.ids) + len(b.ids) + 4) for a, b in zip(*pairs)]  # <s> A </s></s> B </s>


def rte_batches(args):
    if args.batches and os.path.exists(args.batches):
        with open(args.batches) as f:
            return [b["lengths"] for b in json.load(f)["batches"]]
    lengths = rte_lengths(args)
    draw = random.Random(args.seed)
    chosen = [draw.sample(range(len(lengths)), args.batch or 32) for _ in range(args.steps or 50)]
    batches = [{"indices": c, "lengths": [lengths[i] for i in c]} for c in chosen]
    if args.batches:
        with open(args.batches, "w") as f:
            json.dump({"seed": args.seed, "batch_size": args.batch or 32, "batches": batches}, f)
            f.write("\n")
    return [b["lengths"] for b in batches]


def padded(lengths, gen):
    """Random ids of these lengths, padded to the longest; the mask is given, as a data collator does."""
    ids = torch.randint(5, 50000, (len(lengths), max(lengths)), generator=gen)
    mask = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
    return {"input_ids": torch.where(mask, ids, torch.tensor(1)), "attention_mask": mask.long(),
            "labels": torch.randint(0, 2, (len(lengths),), generator=gen)}


def peak_bytes():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    if args.save_model:
        base_model(args).save_pretrained(args.save_model)
        return
    gen = torch.Generator().manual_seed(args.seed)
    if args.rte or args.batches:
        shapes = rte_batches(args)[:args.steps]
    else:
        shapes = [[args.length] * (args.batch or 8)] * (args.steps or 30)
    batches = [padded(lengths, gen) for lengths in shapes]
    peers = PEERS[args.dtype]
    attention = {how: args.attention for how in peers}
    if args.attention == "auto":
        attention = {how: faster_attention(lambda a: trainer(args, a, how), batches[0]) for how in peers}
    steps = {how: trainer(args, attention[how], how) for how in peers}
    for k in range(args.warmup):
        for step in steps.values():
            step(batches[k % len(batches)])
    times = {how: [] for how in peers}
    for batch in batches:
        for how, step in steps.items():
            times[how].append(timed(step, batch))
    best = min(peers, key=lambda how: statistics.median(times[how]))
    ms, attention = times[best], attention[best]
    median = statistics.median(ms)
    for how in peers:
        print(f"{how}: median {statistics.median(times[how]):.1f} ms")
    real = statistics.median(sum(lengths) for lengths in shapes)
    print(f"{attention}: median {median:.1f} ms per step over {len(ms)} steps")
    print(json.dumps({"program": "torch+peft", "torch": torch.__version__, "threads": args.threads, "dtype": best,
                      "attention": attention, "layers": args.layers, "batch": len(shapes[0]),
                      "step_ms": round(median, 2),
                      "tokens_per_s": round(1000 * real / median, 1), "process_peak_bytes": peak_bytes(),
                      "steps_ms": [round(x, 2) for x in ms]}))


if __name__ == "__main__":
    main()

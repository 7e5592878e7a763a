#!/usr/bin/env python3
"""Times the LoRA training step of a 110M Llama in PyTorch + peft (random weights, CPU).

    bench_llama.py --threads 2                                    4 x 256, loss on the second half of each sequence
    bench_llama.py --threads 2 --program build/bin/lowland-llama  in turn with Lowland's bench, and the ratio

--dtype bf16: PyTorch with weights in f32 under autocast and with weights in bf16, in turns with Lowland's --dtype bf16;
the ratio is to the faster. A step: forward, backward, clipping to 1, AdamW, zero_grad; r 16, alpha 32 on all
projections. Attention is eager or sdpa, the faster in a short trial, unless --attention. The last line of the output is
one JSON object.
"""
import argparse
import json
import os
import statistics
import subprocess

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from timing import PEERS, adamw_step, cpu_step, faster_attention, in_dtype, timed

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--length", type=int, default=256)
    p.add_argument("--target-share", type=float, default=0.5)
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--rounds", type=int, default=5, help="turns, of both programs with --program")
    p.add_argument("--steps", type=int, default=6, help="timed steps of a turn")
    p.add_argument("--warmup", type=int, default=2, help="steps before them in each turn")
    p.add_argument("--layers", type=int, default=12, help="fewer for a smoke test; without --program")
    p.add_argument("--attention", choices=["auto", "eager", "sdpa"], default="auto")
    p.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    p.add_argument("--program", metavar="LOWLAND_LLAMA")
    return p.parse_args()


def trainer(args, attention, how):
    """A function that makes one step of the model."""
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=32000, hidden_size=768, intermediate_size=2048, num_hidden_layers=args.layers,
                         num_attention_heads=12, num_key_value_heads=12, tie_word_embeddings=True,
                         max_position_embeddings=2048, use_cache=False)
    config._attn_implementation = attention
    lora = LoraConfig(task_type="CAUSAL_LM", r=args.rank, lora_alpha=2 * args.rank, lora_dropout=0.0,
                      target_modules=TARGETS)
    model = get_peft_model(in_dtype(LlamaForCausalLM(config), how), lora).train()
    return cpu_step(adamw_step(model), how)


def random_batch(args, gen):
    ids = torch.randint(0, 32000, (args.batch, args.length + 1), generator=gen)
    labels = ids.clone()
    labels[:, : int((1 - args.target_share) * args.length) + 1] = -100
    # Lowland reads `length` rows and learns the next token of each; transformers shifts the labels itself.
    return {"input_ids": ids, "labels": labels}


def lowland_step_ms(args):
    out = subprocess.run([args.program, "bench", "--preset", "llama-110m", "--methods", "lora", "--rank", str(args.rank),
                          "--targets", "all-linear", "--batch", str(args.batch), "--length", str(args.length),
                          "--target-share", str(args.target_share), "--threads", str(args.threads), "--dtype", args.dtype,
                          "--steps", str(args.steps), "--warmup", str(args.warmup), "--json"],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])["step_ms"]


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    gen = torch.Generator().manual_seed(1)
    batches = [random_batch(args, gen) for _ in range(args.steps)]
    names = PEERS[args.dtype]
    attention = {how: args.attention for how in names}
    if args.attention == "auto":
        attention = {how: faster_attention(lambda a: trainer(args, a, how), batches[0]) for how in names}
    steps = {how: trainer(args, attention[how], how) for how in names}
    peers, ours = {how: [] for how in names}, []
    for turn in range(args.rounds):
        for how, step in steps.items():
            for k in range(args.warmup):
                step(batches[k % len(batches)])
            peers[how].append(statistics.median(timed(step, batch) for batch in batches))
        if args.program:
            ours.append(lowland_step_ms(args))
        told = ", ".join(f"{how} {ms[-1]:.0f} ms" for how, ms in peers.items())
        print(f"turn {turn + 1}: torch + peft {told}" + (f", lowland {ours[-1]:.0f} ms" if ours else ""), flush=True)
    best = min(names, key=lambda how: statistics.median(peers[how]))
    peer, attention = peers[best], attention[best]
    result = {"program": "torch+peft", "torch": torch.__version__, "threads": args.threads, "dtype": best, "attention": attention,
              "layers": args.layers, "batch": args.batch, "length": args.length,
              "step_ms": round(statistics.median(peer), 2)}
    if ours:
        result["lowland_step_ms"] = round(statistics.median(ours), 2)
        result["ratio"] = round(statistics.median(o / p for o, p in zip(ours, peer)), 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

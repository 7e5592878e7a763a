#!/usr/bin/env python3
"""Times training steps on a quiet machine and beside a program that keeps one processor busy.

    bench_neighbour.py --model FOLDER --data train.txt --program build/bin/lowland-llama

FOLDER: a Llama's (SmolLM2-135M-Instruct); train.txt: lines of E2E, prompt||completion. LoRA of r 16 on the attention's
projections, f32, batches of 8. In turn, with and without the neighbour (an endless loop of nice 0): Lowland as it is,
Lowland with its threads left to OpenMP (libgomp's own 300,000 turns of a wait, none ever idle); PyTorch with peft on the
same lines, padded. Of each the median milliseconds of a step over all turns; the fair share of T threads on P processors
beside one loop is the quiet time times (T + 1) / P, where every thread gets as much as the loop. The last line of the
output is one JSON object.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from timing import adamw_step, timed

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--program", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=8, help="of a turn, the first two of which do not count")
    p.add_argument("--batch", type=int, default=8)
    return p.parse_args()


def write_records(path, lines):
    with open(path, "w") as out:
        for prompt, completion in lines:
            out.write(json.dumps({"prompt": prompt, "completion": " " + completion}) + "\n")


def lowland(program, args, records, folder, environment, flags):
    """Milliseconds of each step that counts."""
    command = [program, "finetune", "--model", args.model, "--train", records, "--method", "lora", "--rank", "16",
               "--alpha", "32", "--targets", ",".join(TARGETS), "--batch-size", str(args.batch), "--max-steps",
               str(args.steps), "--logging-steps", "1", "--dev-fraction", "0", "--seed", "1", "--out", folder, *flags]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    with open(os.path.join(folder, "metrics.jsonl")) as f:
        return [line["step_ms"] for line in map(json.loads, f) if "step_ms" in line][2:]


def torch_trainer(args, lines):
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    lora = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, lora_dropout=0.0, target_modules=TARGETS)
    step = adamw_step(get_peft_model(model, lora).train())

    def batch(n):
        rows = []
        for prompt, completion in lines[n * args.batch:(n + 1) * args.batch]:
            p, c = tokenizer(prompt).input_ids, tokenizer(" " + completion).input_ids + [tokenizer.eos_token_id]
            rows.append((p + c, [-100] * len(p) + c))
        longest = max(len(ids) for ids, _ in rows)
        pad = lambda row, value: row + [value] * (longest - len(row))
        return {"input_ids": torch.tensor([pad(ids, tokenizer.eos_token_id) for ids, _ in rows]),
                "labels": torch.tensor([pad(labels, -100) for _, labels in rows]),
                "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])}

    return lambda: [timed(step, batch(n)) for n in range(args.steps)][2:]


def main():
    args = arguments()
    with open(args.data) as f:
        lines = [tuple(part.strip() for part in line.split("||")) for line in f][:args.batch * args.steps * 2]
    scratch = tempfile.mkdtemp()
    records = os.path.join(scratch, "train.jsonl")
    write_records(records, lines)
    threads = str(len(os.sched_getaffinity(0)))
    runs = 0

    def turn(program, environment={}, flags=()):
        nonlocal runs
        runs += 1
        return lowland(program, args, records, os.path.join(scratch, str(runs)), environment, flags)

    subjects = {"lowland": lambda: turn(args.program),
                "openmp": lambda: turn(args.program, {"GOMP_SPINCOUNT": "300000"}, ["--threads", threads]),
                "torch": torch_trainer(args, lines)}
    times = {name: {"quiet": [], "busy": []} for name in subjects}
    for n in range(args.rounds):
        for where in ("quiet", "busy"):
            loop = subprocess.Popen(["sh", "-c", "while :; do :; done"]) if where == "busy" else None
            time.sleep(1)
            for name, steps in subjects.items():
                times[name][where] += steps()
                print(f"round {n + 1}, {where}, {name}: {statistics.median(times[name][where]):.0f} ms", flush=True)
            if loop:
                loop.kill()
                loop.wait()
    fair = (int(threads) + 1) / int(threads)
    result = {}
    for name, by in times.items():
        quiet, busy = statistics.median(by["quiet"]), statistics.median(by["busy"])
        result[name] = {"quiet_ms": round(quiet, 1), "busy_ms": round(busy, 1),
                        "busy_of_fair_share": round(busy / (quiet * fair), 2)}
    result["quiet_lowland_of_openmp"] = round(result["lowland"]["quiet_ms"] / result["openmp"]["quiet_ms"], 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A real decoder's folder: greedy chats beside transformers, LoRA steps beside peft. Not part of CI.

    check_folder.py BIN MODEL DATA [--chats 10] [--steps 20] [--tolerance 1e-4]
        BIN    build/bin (lowland-llama is run)
        MODEL  a checkpoint folder of a chat model, as transformers saves it
        DATA   lines `facts||sentence` (the E2E data)

Each chat is one question: 64 new tokens, the text must be equal. Training: eight lines of DATA as prompt and completion,
all of them in every step, from an adapter that peft writes; the losses before each step must be within the tolerance of
peft's, relative. Exit status 1 if one is not.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

QUESTIONS = ["Who are you?", "What is the capital of France?", "Write a haiku about the sea.", "Explain gravity to a child.",
             "List three prime numbers.", "Wie heißt die Hauptstadt von Österreich?", "What is 17 + 25?",
             "Name a fruit that is yellow; say why.", "日本の首都はどこですか?", "Give me one tip for learning to cook.",
             "What does 'carpe diem' mean?", "Tell me a joke about cats 🐱."]


def run(program, *args, text=None):
    done = subprocess.run([program, *map(str, args)], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} {args[0]}: {done.stderr[-500:]}")
    return done.stdout


def chats(args, model, tokenizer):
    wrong = 0
    for question in QUESTIONS[:args.chats]:
        ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                            return_tensors="pt", return_dict=True)
        with torch.no_grad():
            out = model.generate(**ids, max_new_tokens=64, do_sample=False)[0, ids["input_ids"].shape[1]:]
        theirs = tokenizer.decode(out, skip_special_tokens=True).strip()
        ours = run(args.program, "chat", "--model", args.model, "--max-new-tokens", 64, text=question + "\n").strip()
        wrong += ours != theirs
        print(("equal  " if ours == theirs else f"DIFFERS\n  {theirs!r}\n  {ours!r}\n  ") + question)
    return wrong


def losses_of_peft(model, tokenizer, records, steps, lr):
    rows = []
    for r in records:
        prompt = tokenizer(r["prompt"])["input_ids"]
        rows.append((prompt, tokenizer(r["completion"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]))
    longest = max(len(p) + len(c) for p, c in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = ids.clone(), ids - 100
    for i, (p, c) in enumerate(rows):
        ids[i, :len(p) + len(c)] = torch.tensor(p + c)
        mask[i, :len(p) + len(c)] = 1
        labels[i, len(p):len(p) + len(c)] = torch.tensor(c)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for _ in range(steps):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def training(args, model, tokenizer):
    lines = [line.split("||") for line in pathlib.Path(args.data).read_text().splitlines()[:800:100]]
    records = [{"prompt": a.strip() + "\n", "completion": b.strip()} for a, b in lines]
    torch.manual_seed(1)
    peft = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    with tempfile.TemporaryDirectory() as folder:
        start, data, out = (pathlib.Path(folder) / name for name in ("start", "data.jsonl", "run"))
        peft.save_pretrained(start)
        data.write_text("".join(json.dumps(r) + "\n" for r in records))
        run(args.program, "finetune", "--model", args.model, "--adapter", start, "--train", data, "--method", "lora", "--lr",
            1e-3, "--schedule", "constant", "--warmup-ratio", 0, "--weight-decay", 0, "--max-grad-norm", 0, "--epochs",
            args.steps, "--batch-size", len(records), "--logging-steps", 1, "--dev-fraction", 0,
            "--lora-dropout", 0, "--out", out)
        logged = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    ours = [line["loss"] for line in logged if "loss" in line]
    theirs = losses_of_peft(peft, tokenizer, records, args.steps, 1e-3)
    worst = max(abs(a - b) / b for a, b in zip(ours, theirs))
    print(f"losses, peft  {theirs[0]:.6f} ... {theirs[-1]:.6f}\nlosses, ours  {ours[0]:.6f} ... {ours[-1]:.6f}")
    print(f"{len(ours)} steps, relative difference at most {worst:.1e}")
    return int(len(ours) != args.steps or not worst < args.tolerance)


def main():
    parser = argparse.ArgumentParser()
    for name in ("bin", "model", "data"):
        parser.add_argument(name)
    parser.add_argument("--chats", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    args.program = str(pathlib.Path(args.bin) / "lowland-llama")
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    wrong = chats(args, model, tokenizer)
    wrong += training(args, model, tokenizer)
    print("as it should be" if wrong == 0 else f"{wrong} differ")
    sys.exit(wrong > 0)


main()

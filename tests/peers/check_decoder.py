#!/usr/bin/env python3
"""A decoder folder by Lowland and by transformers: texts of a beam search, and an adapter of Lowland's beside peft.

    check_decoder.py MODEL PROMPTS [--program build/bin/lowland-llama] [--adapter ADAPTER] [--beams 10]
        [--length-penalty 0.8] [--no-repeat-ngram-size 4] [--max-new-tokens 40]

MODEL: a folder, as of GPT-2; PROMPTS: a file of lines. With --adapter both go by base and adapter. The text of every
prompt must be the same.
"""
import argparse
import json
import subprocess
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def by_lowland(args):
    command = [args.program, "generate", "--model", args.model, "--prompts", args.prompts, "--num-beams",
               str(args.beams), "--length-penalty", str(args.length_penalty), "--no-repeat-ngram-size",
               str(args.no_repeat_ngram_size), "--max-new-tokens", str(args.max_new_tokens)]
    command += ["--adapter", args.adapter] if args.adapter else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("prompts")
    parser.add_argument("--program", default="build/bin/lowland-llama")
    parser.add_argument("--adapter")
    parser.add_argument("--beams", type=int, default=10)
    parser.add_argument("--length-penalty", type=float, default=0.8)
    parser.add_argument("--no-repeat-ngram-size", type=int, default=4)
    parser.add_argument("--max-new-tokens", type=int, default=40)
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model).float().eval()
    if args.adapter:
        model = PeftModel.from_pretrained(model, args.adapter).eval()
    differ = 0
    for ours in by_lowland(args):
        inputs = tokenizer(ours["prompt"], return_tensors="pt")
        with torch.no_grad():
            out = model.generate(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, do_sample=False,
                                 num_beams=args.beams, length_penalty=args.length_penalty,
                                 no_repeat_ngram_size=args.no_repeat_ngram_size, max_new_tokens=args.max_new_tokens,
                                 pad_token_id=tokenizer.eos_token_id)
        theirs = tokenizer.decode(out[0, inputs.input_ids.shape[1]:], skip_special_tokens=True,
                                  clean_up_tokenization_spaces=False)
        if theirs.strip() != ours["text"].strip():
            differ += 1
            print(json.dumps({"prompt": ours["prompt"], "lowland": ours["text"], "transformers": theirs}))
    print(f"{differ} texts differ")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()

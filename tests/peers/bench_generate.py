#!/usr/bin/env python3
"""Times greedy generation of a llama2.c model in Lowland and in llama2.c's own run.c, in turn.

    bench_generate.py --program build/bin/lowland-llama --run-c RUN --model stories260K.bin --tokenizer tok512.bin

RUN: run.c built with -Ofast (for several threads with -fopenmp as well). Both programs say their own tokens per second
on stderr; texts must be equal. The last line of the output is one JSON object.
"""
import argparse
import json
import os
import re
import statistics
import subprocess


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--run-c", required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--tokenizer", required=True)
    p.add_argument("--tokens", type=int, default=340)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=21)
    return p.parse_args()


def run(command, threads):
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    rate = re.search(r"tok/s: ([\d.]+)|([\d,]+) tokens/s", done.stderr.decode())
    return done.stdout.strip(), float((rate.group(1) or rate.group(2)).replace(",", ""))


def main():
    args = arguments()
    theirs = [args.run_c, args.model, "-z", args.tokenizer, "-t", "0", "-n", str(args.tokens)]
    mine = [args.program, "generate", "--model", args.model, "--tokenizer", args.tokenizer, "--temperature", "0",
            "--max-new-tokens", str(args.tokens), "--prompt", "", "--threads", str(args.threads)]
    rates = []
    for _ in range(args.rounds):
        (text, peer), (own_text, own) = run(theirs, args.threads), run(mine, args.threads)
        assert own_text == text, "the texts differ"
        rates.append((own, peer))
    own, peer = (statistics.median(column) for column in zip(*rates))
    best_own, best_peer = (max(column) for column in zip(*rates))
    print(json.dumps({"threads": args.threads, "tokens": args.tokens, "lowland_tokens_per_s": own,
                      "run_c_tokens_per_s": round(peer), "ratio": round(own / peer, 3),
                      "best": [best_own, round(best_peer)], "best_ratio": round(best_own / best_peer, 3)}))


if __name__ == "__main__":
    main()

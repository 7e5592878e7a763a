#!/usr/bin/env python3
"""Times what quantised weights cost and gain, in turns in one run.

    bench_quantised.py --program build/bin/lowland-llama [--gguf SmolLM2-135M-Instruct.Q4_1.gguf]

First the LoRA step of the 110M Llama (4 x 256 tokens, r 16), its frozen matrices in f32, int8 and NF4: ratios of the
fastest and of the median steps; the bounds are 1.15 and 1.3. Then, of a GGUF file, greedy generation of --tokens tokens
by Lowland and, where llama-cpp-python is installed, by llama.cpp with as many threads: tokens per second of both. The
last line of the output is one JSON object.
"""
import argparse
import json
import re
import statistics
import subprocess
import time

PROMPT = "The history of the lighthouse begins with a"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", required=True)
    p.add_argument("--gguf")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--tokens", type=int, default=128)
    return p.parse_args()


def steps(args):
    """Milliseconds by dtype: of each round the step's median and its fastest tenth."""
    times = {dtype: [] for dtype in ("f32", "int8", "nf4")}
    for _ in range(args.rounds):
        for dtype, found in times.items():
            out = subprocess.run([args.program, "bench", "--preset", "llama-110m", "--methods", "lora", "--rank", "16",
                                  "--weights-dtype", dtype, "--dtype", "f32", "--steps", str(args.steps), "--warmup",
                                  "1", "--threads", str(args.threads), "--json"],
                                 check=True, capture_output=True, text=True).stdout
            line = json.loads(out.strip().splitlines()[-1])
            found.append((line["step_ms"], line.get("step_ms_p10", line["step_ms"])))
            print(f"{dtype}: {line['step_ms']:.0f} ms", flush=True)
    figures = {}
    for dtype, found in times.items():
        figures[dtype] = {"median_ms": statistics.median(m for m, _ in found), "best_ms": min(p for _, p in found)}
    for dtype in ("int8", "nf4"):
        for which in ("median", "best"):
            figures[dtype][which + "_ratio"] = round(figures[dtype][which + "_ms"] / figures["f32"][which + "_ms"], 3)
    return figures


def lowland_rate(args):
    done = subprocess.run([args.program, "generate", "--model", args.gguf, "--prompt", PROMPT, "--temperature", "0",
                           "--max-new-tokens", str(args.tokens), "--threads", str(args.threads)],
                          check=True, capture_output=True, text=True)
    return float(re.search(r"([\d,.]+) tokens/s", done.stderr).group(1).replace(",", ""))


def peer(args):
    """A function that generates once and gives the tokens per second; None without llama-cpp-python."""
    try:
        import llama_cpp
    except ImportError:
        return None
    model = llama_cpp.Llama(args.gguf, n_threads=args.threads, n_ctx=1024, verbose=False)

    def run():
        model.reset()
        start, tokens, first = time.perf_counter(), 0, None
        for _ in model.generate(model.tokenize(PROMPT.encode()), temp=0, top_k=1):
            first = first or time.perf_counter()  # the prompt is not counted
            tokens += 1
            if tokens > args.tokens:
                break
        return (tokens - 1) / (time.perf_counter() - (first or start))

    return run


def generation(args):
    other, rates = peer(args), []
    for _ in range(args.rounds):
        rates.append((lowland_rate(args), other() if other else None))
    figures = {"lowland_tokens_per_s": [statistics.median(r for r, _ in rates), max(r for r, _ in rates)]}
    if other:
        figures["llama_cpp_tokens_per_s"] = [statistics.median(r for _, r in rates), max(r for _, r in rates)]
    return figures


def main():
    args = arguments()
    result = {"threads": args.threads, "step": steps(args)}
    if args.gguf:
        result["generation"] = generation(args)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Times products with 4096 x 4096 quantised weights on a GPU: bitsandbytes' NF4 and int8, and the plain bf16 one.

    bench_quantised_gpu.py [--rows 1 16 256] [--size 4096] [--runs 200]

Beside what `kernel_lab frozen_matmul` says of Lowland's on the same sizes. Each figure is the median microseconds of a
product whose weights the L2 does not hold: as many different ones are multiplied in turn. The last line of the output
is one JSON object.
"""
import argparse
import json
import statistics

import torch

try:
    import bitsandbytes as bnb
    import bitsandbytes.functional as F
except ImportError:
    bnb = None


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, nargs="+", default=[1, 16, 256])
    p.add_argument("--size", type=int, default=4096)
    p.add_argument("--runs", type=int, default=200)
    return p.parse_args()


def products(size, count):
    """By name: a function of x and the number of a weight."""
    plain = [torch.randn(size, size, device="cuda", dtype=torch.bfloat16) / size**0.5 for _ in range(count)]
    if bnb is None:
        return {"bf16": lambda x, i: x @ plain[i].t()}
    four = [F.quantize_4bit(w, quant_type="nf4") for w in plain]
    eight = []
    for w in plain:
        layer = bnb.nn.Linear8bitLt(size, size, bias=False, has_fp16_weights=False)
        layer.weight = bnb.nn.Int8Params(w.half().cpu(), requires_grad=False, has_fp16_weights=False)
        eight.append(layer.cuda())
    return {"bf16": lambda x, i: x @ plain[i].t(),
            "nf4": lambda x, i: bnb.matmul_4bit(x, four[i][0].t(), quant_state=four[i][1]),
            "int8": lambda x, i: eight[i](x)}


def microseconds(product, x, runs, count):
    for i in range(count):
        product(x, i)
    times = []
    for i in range(runs):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        product(x, i % count)
        end.record()
        times.append((start, end))
    torch.cuda.synchronize()
    return 1000 * statistics.median(a.elapsed_time(b) for a, b in times)


def main():
    args, result = arguments(), {}
    count = max(2, int(400e6 / (args.size * args.size / 2)))
    with torch.no_grad():
        all_products = products(args.size, count)
        for rows in args.rows:
            x = torch.randn(rows, args.size, device="cuda", dtype=torch.bfloat16)
            result[rows] = {name: round(microseconds(p, x, args.runs, count), 2) for name, p in all_products.items()}
            print(rows, result[rows], flush=True)
    print(json.dumps({"size": args.size, "device": torch.cuda.get_device_name(), "bitsandbytes": bnb.__version__ if bnb else None,
                      "microseconds": result}))


if __name__ == "__main__":
    main()

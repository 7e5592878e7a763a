#!/usr/bin/env python3
"""Writes tests/golden/bitsandbytes: matrices as bitsandbytes' layers save them, and the numbers that they stand for.

    python make_bitsandbytes_golden.py [OUT]      (numpy, torch, safetensors, bitsandbytes)

model.safetensors: q (NF4, doubly quantised), k (NF4), v (int8) and norm (f32), as transformers names them.
expected.safetensors: q, k, v in f32, by bitsandbytes.
"""
import os
import sys

import bitsandbytes as bnb
import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def nf4(w, nested):
    p = bnb.nn.Params4bit(w, requires_grad=False, compress_statistics=nested, quant_type="nf4").to("cpu")
    codes, state = F.quantize_4bit(w, quant_type="nf4", compress_statistics=nested) if p.quant_state is None else (
        p.data, p.quant_state)
    parts = {"": codes} | {"." + k: v for k, v in state.as_dict(packed=True).items()}
    return parts, F.dequantize_4bit(codes, state).to(torch.float32)


def main():
    torch.manual_seed(5)
    out = os.path.join(sys.argv[1] if len(sys.argv) > 1 else HERE, "bitsandbytes")
    os.makedirs(out, exist_ok=True)
    model, expected = {"model.norm.weight": torch.randn(7)}, {}
    for name, rows, columns, nested in (("q", 5, 64 * 60, True), ("k", 3, 64, False)):
        parts, values = nf4(torch.randn(rows, columns) * 0.05, nested)
        model |= {f"model.{name}.weight{part}": t.contiguous() for part, t in parts.items()}
        expected[name] = values.reshape(rows, columns)
    codes, scales, _ = F.int8_vectorwise_quant(torch.randn(4, 33))
    model |= {"model.v.weight": codes, "model.v.SCB": scales,
              "model.v.weight_format": torch.tensor(0, dtype=torch.uint8)}
    expected["v"] = F.int8_vectorwise_dequant(codes, scales)
    expected["q"] = expected["q"][3:].contiguous()  # for size: the last two rows, which have both outer scales
    save_file(model, os.path.join(out, "model.safetensors"))
    save_file(expected, os.path.join(out, "expected.safetensors"))


if __name__ == "__main__":
    main()

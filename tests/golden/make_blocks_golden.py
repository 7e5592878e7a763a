#!/usr/bin/env python3
"""Writes tests/golden/blocks.safetensors: rows of quantised weights and what they decode to.

    python make_blocks_golden.py [OUT]      (numpy, torch, safetensors, gguf, bitsandbytes)

TYPE.blocks, TYPE.values: random blocks of a ggml type with every bit in play (finite scales), decoded by the gguf package.
q8_0, q4_0: NAME.from, NAME.encoded: numbers, and the package's blocks of them.
int8, nf4: NAME.from (rows, columns), and by bitsandbytes: codes, scales and the numbers that they decode to. nf4_nested: the
same weights as nf4's with scales quantised in turn; absmax are the bytes, nested and offset the scales of those.
"""
import os
import sys

import bitsandbytes.functional as bnb
import gguf
import numpy as np
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCKS = 3
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}


def random_blocks(rng, name):
    kind = gguf.GGMLQuantizationType[name]
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in HALVES[name]:
        scales = (rng.standard_normal(BLOCKS) * 10.0 ** rng.integers(-7, 3, BLOCKS)).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
    return blocks.reshape(1, -1), gguf.quants.dequantize(blocks.reshape(1, -1), kind)


def main():
    rng = np.random.default_rng(17)
    out = {}
    for name in HALVES:
        blocks, values = random_blocks(rng, name)
        out[name.lower() + ".blocks"], out[name.lower() + ".values"] = torch.tensor(blocks), torch.tensor(values)
    for name in ("Q8_0", "Q4_0"):
        x = (rng.standard_normal((1, 6 * 32)) * 10.0 ** rng.integers(-4, 3, (1, 6 * 32))).astype(np.float32)
        x[0, :32] = 0
        x[0, 32:64] = np.arange(32) - 15.5  # ties
        x[0, 64:96] = np.where(np.arange(32) % 2, 2, -2)  # equal magnitudes
        out[name.lower() + ".from"] = torch.tensor(x)
        out[name.lower() + ".encoded"] = torch.tensor(gguf.quants.quantize(x, gguf.GGMLQuantizationType[name]))

    w = torch.tensor(rng.standard_normal((3, 37)).astype(np.float32))
    w[1] *= 1e-3
    codes, scales, _ = bnb.int8_vectorwise_quant(w)
    out |= {"int8.from": w, "int8.codes": codes, "int8.scales": scales,
            "int8.values": bnb.int8_vectorwise_dequant(codes, scales)}

    w = torch.tensor((rng.standard_normal((5, 64 * 70)) * 0.02).astype(np.float32))  # 350 blocks: two outer scales
    w[0, :64] = 0
    for name, nested in (("nf4", False), ("nf4_nested", True)):
        codes, state = bnb.quantize_4bit(w, quant_type="nf4", compress_statistics=nested)
        out |= {name + ".codes": codes, name + ".absmax": state.absmax,
                name + ".values": bnb.dequantize_4bit(codes, state).to(torch.float32)}
        if nested:
            out |= {"nf4_nested.nested": state.state2.absmax, "nf4_nested.offset": state.offset.reshape(1),
                    "nf4_nested.map": state.state2.code.clone()}
    # for size: two rows only; the second, the matrix's fourth, has blocks of both outer scales
    for name in ("nf4", "nf4_nested"):
        out[name + ".values"] = out[name + ".values"][::3].contiguous()
    out["nf4.from"] = w[:1].contiguous()
    save_file({k: v.contiguous() for k, v in out.items()}, sys.argv[1] if len(sys.argv) > 1 else
              os.path.join(HERE, "blocks.safetensors"))


if __name__ == "__main__":
    main()

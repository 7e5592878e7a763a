"""Writes roundings.json: rows as the gguf package reads them back from Q8_0 and Q4_0, and as NF4 has them by its rule.

    python3 tests/golden/make_roundings_golden.py        (needs numpy, gguf)
"""
import importlib.metadata
import json
import pathlib

import gguf
import numpy

NF4 = numpy.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                   -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                   0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], dtype=numpy.float32)


def nf4(row):
    out = []
    for block in row.reshape(-1, 64):
        most = numpy.abs(block).max()
        share = block / most if most > 0 else block
        out.append(NF4[numpy.abs(share[:, None] - NF4[None, :]).argmin(axis=1)] * most)
    return numpy.concatenate(out)


def back(row, kind):
    return gguf.quants.dequantize(gguf.quants.quantize(row, kind), kind)


def main():
    rng = numpy.random.default_rng(3)
    rows = [rng.normal(size=128), rng.normal(size=64) * 1e-3, numpy.zeros(64), rng.uniform(-1, 1, size=64).round(1)]
    cases = []
    for row in rows:
        row = row.astype(numpy.float32)
        cases.append({"x": row.tolist(), "q8_0": back(row, gguf.GGMLQuantizationType.Q8_0).tolist(),
                      "q4_0": back(row, gguf.GGMLQuantizationType.Q4_0).tolist(), "nf4": nf4(row).tolist()})
    path = pathlib.Path(__file__).parent / "roundings.json"
    path.write_text(json.dumps({"gguf": importlib.metadata.version("gguf"), "cases": cases}) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes tests/golden/torch: files of torch.save, and beside each NAME.bin a NAME.safetensors with the same tensors, made
contiguous; and the folders of tests/golden/hub once more with .bin files. Needs torch, safetensors.
Usage: make_torch_golden.py (run in any folder)"""
import collections
import json
import pathlib

import torch
from safetensors.torch import load_file, save_file

GOLDEN = pathlib.Path(__file__).resolve().parent
OUT = GOLDEN / "torch"
torch.manual_seed(3)


def write(name, tensors, content=None, **options):
    """content: what is saved; tensors: what a reader finds in it."""
    torch.save(tensors if content is None else content, OUT / f"{name}.bin", **options)
    plain = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    save_file(plain, OUT / f"{name}.safetensors")


def of_all_dtypes():
    tensors = {}
    for d in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2):
        tensors[str(d)[6:]] = torch.randn(3, 5, dtype=torch.complex64 if d.is_complex else torch.float32).to(d)
    for d in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool):
        tensors[str(d)[6:]] = torch.randint(0, 2 if d is torch.bool else 100, (7,)).to(d)
    return tensors


def of_all_layouts():
    base = torch.arange(210, dtype=torch.float32).reshape(2, 3, 5, 7)
    half = torch.arange(60).reshape(6, 10).to(torch.bfloat16)
    return {
        "permuted": base.permute(3, 1, 0, 2), "transposed": half.t(), "column": half[:, 3], "offset": half[2:5], "window": half[1:5, 2:9:3],
        "step": base[:, ::2, 1::3, ::4], "scalar": torch.tensor(2.5), "picked": base[1, 2, 3, 4], "empty": torch.empty(0, 3).clone(),
        "expanded": torch.tensor([1.0, 2.0]).expand(4, 2), "column_of_one": torch.arange(6.).reshape(6, 1).t(),
        "channels_last": base.contiguous(memory_format=torch.channels_last), "long": torch.arange(5).flip(0), "bytes": (half > 7).t(),
    }


def model():
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(11, 4)
            self.norm = torch.nn.BatchNorm1d(4)
            self.head = torch.nn.Linear(4, 11, bias=False)
            self.head.weight = self.embed.weight
            self.register_buffer("ids", torch.arange(6).expand(1, -1))
    return Tied()


def main():
    OUT.mkdir(exist_ok=True)
    write("dtypes", of_all_dtypes())
    write("layouts", of_all_layouts())
    tensors = of_all_layouts()
    for protocol in (2, 4):
        write(f"legacy-protocol-{protocol}", tensors, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    state = model().state_dict()
    for protocol in range(1, 6):
        write(f"model-protocol-{protocol}", state, pickle_protocol=protocol)
    parameters = collections.OrderedDict(model().named_parameters(remove_duplicate=False))
    marked = torch.nn.Parameter(torch.randn(3), requires_grad=False)
    marked.note = "kept by torch"
    parameters["with.attribute"] = marked
    plain = torch.randn(2, 2)
    plain.note = {"a": 1}
    parameters["tensor.with.attribute"] = plain
    write("parameters", parameters)
    for key in ("state_dict", "model"):
        write(f"nested-{key}", state, {"epoch": 3, "rate": 0.1, "name": "x", "done": None, "big": 2**100, key: state,
                                       "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "groups": [(1, 2), {"lr": -1e-3}]}})
    flat = torch.arange(24, dtype=torch.float32)
    write("shared", {"all": flat, "front": flat[:6].reshape(2, 3), "back": flat[12:].reshape(3, 4).t(), "again": flat})
    # The hub folders of the other script.
    for name, files in (("seqcls-f32", {"model": "pytorch_model"}), ("adapter-seqcls", {"adapter_model": "adapter_model"})):
        for source, target in files.items():
            (OUT / name).mkdir(exist_ok=True)
            torch.save(collections.OrderedDict(load_file(GOLDEN / "hub" / name / f"{source}.safetensors")), OUT / name / f"{target}.bin")
    sharded = GOLDEN / "hub" / "seqcls-sharded"
    (OUT / "seqcls-sharded").mkdir(exist_ok=True)
    index = json.loads((sharded / "model.safetensors.index.json").read_text())
    rename = lambda n: "pytorch_" + n.replace(".safetensors", ".bin")
    for shard in set(index["weight_map"].values()):
        torch.save(load_file(sharded / shard), OUT / "seqcls-sharded" / rename(shard))
    index["weight_map"] = {k: rename(v) for k, v in index["weight_map"].items()}
    (OUT / "seqcls-sharded" / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


main()

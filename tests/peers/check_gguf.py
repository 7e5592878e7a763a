#!/usr/bin/env python3
"""GGUF files both ways, by the gguf package and transformers. Not part of CI.

    check_gguf.py BIN MODEL [--gguf FILE] [--tokens 48]
        BIN    build/bin (lowland-llama is run)
        MODEL  a checkpoint folder of a decoder, as transformers saves it
        FILE   a quantised GGUF file that llama.cpp made

An adapter that peft makes is exported: names, order of rows and alpha / r must give its product. The model with it
merged in is exported as every type: the gguf package reads each tensor; f32 is the merged weights, every other type what
the package makes of those, bit for bit. transformers reads the q8_0 file, and its greedy text must be ours. FILE: its
greedy text is that of transformers, which reads it by itself. Exit status 1 if one is not.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import torch
from gguf.quants import quantize
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = ["The capital of France is", "Once upon a time", "def add(a, b):\n", "In 1984 there were"]
wrong = 0


def check(what, good):
    global wrong
    wrong += not good
    print(f"{'ok   ' if good else 'WRONG'} {what}", flush=True)


def run(program, *args):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} {args[0]}: {done.stderr[-500:]}")
    return done.stdout


def pairs(x, heads):
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def tensors(path):
    reader = gguf.GGUFReader(path)
    fields = {k: f.contents() for k, f in reader.fields.items()}
    return fields, {t.name: t for t in reader.tensors}


class Names:
    def __init__(self, fields, config):
        arch = next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == fields["general.architecture"])
        self.map = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
        self.paired = fields["general.architecture"] == "llama"
        self.config = config

    def put(self, hub, x):  # a tensor's name and its rows there
        heads = {"q_proj": self.config.num_attention_heads, "k_proj": self.config.num_key_value_heads}
        for part, n in heads.items():
            if self.paired and part in hub:
                x = pairs(x, n)
        return self.map.get_name(hub, (".weight", ".bias")), x


def check_adapter(path, model, config):
    fields, found = tensors(path)
    names, alpha, bad, seen = Names(fields, config), fields["adapter.lora.alpha"], 0, 0
    for name, module in model.named_modules():
        if not hasattr(module, "lora_A") or not module.lora_A:
            continue
        a, b = (m["default"].weight.detach().numpy() for m in (module.lora_A, module.lora_B))
        hub = name.removeprefix("base_model.model.") + ".weight"
        there, wanted = names.put(hub, module.scaling["default"] * (b @ a))
        got_a, got_b = found[there + ".lora_a"].data, found[there + ".lora_b"].data
        got = alpha / got_b.shape[1] * (got_b @ got_a)
        bad += not np.allclose(got, wanted, atol=1e-6)
        seen += 2
    check(f"adapter: {seen} tensors, alpha {alpha}", bad == 0 and seen == len(found))


def check_model(args, work, adapter, merged):
    wanted, config = {k: v.detach().numpy() for k, v in merged.state_dict().items()}, merged.config
    plain = {}
    for kind in ("f32", "f16", "bf16", "q8_0", "q4_0"):
        path = work / kind / "model.gguf"
        path.parent.mkdir()
        run(args.program, "export", "--model", args.model, "--adapter", adapter, "--gguf", kind, "--out", path)
        fields, found = tensors(path)
        names, bad = Names(fields, config), []
        if kind == "f32":
            plain = {n: t.data.copy() for n, t in found.items()}
            for hub, x in wanted.items():
                name, x = names.put(hub, x)
                if name in found and not np.allclose(found[name].data, x, atol=1e-6):
                    bad.append(name)
        for name, t in found.items():
            if quantize(plain[name], t.tensor_type).tobytes() != t.data.tobytes():
                bad.append(name)
        check(f"model as {kind}: {len(found)} tensors {bad[:3]}", not bad)


def texts(args, model, tokenizer, path, what):
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt")
        with torch.no_grad():
            out = model.generate(**ids, max_new_tokens=args.tokens, do_sample=False, top_p=None, temperature=None)[0]
        theirs = tokenizer.decode(out[ids["input_ids"].shape[1]:], skip_special_tokens=True)
        ours = run(args.program, "generate", "--model", path, "--prompt", prompt, "--max-new-tokens", args.tokens,
                   "--temperature", 0).strip("\n")
        ours = ours[len(prompt):] if ours.startswith(prompt) else ours
        check(f"{what}: {prompt!r}", ours.strip() == theirs.strip())
        if ours.strip() != theirs.strip():
            print(f"  theirs {theirs!r}\n  ours   {ours!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("model")
    parser.add_argument("--gguf")
    parser.add_argument("--tokens", type=int, default=48)
    args = parser.parse_args()
    args.program = str(pathlib.Path(args.bin) / "lowland-llama")
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        base = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
        model = get_peft_model(base, LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules="all-linear"))
        for name, p in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(p, std=0.01)
        adapter = work / "adapter"
        model.save_pretrained(adapter)
        run(args.program, "export", "--model", args.model, "--adapter", adapter, "--out", work / "adapter.gguf")
        check_adapter(work / "adapter.gguf", model, base.config)
        check_model(args, work, adapter, model.merge_and_unload())
        tokenizer = AutoTokenizer.from_pretrained(args.model)
        theirs = AutoModelForCausalLM.from_pretrained(work / "q8_0", gguf_file="model.gguf", dtype=torch.float32)
        texts(args, theirs, tokenizer, work / "q8_0" / "model.gguf", "q8_0 in transformers")
    if args.gguf:
        path = pathlib.Path(args.gguf)
        theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        texts(args, theirs, tokenizer, path, "FILE in transformers")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()

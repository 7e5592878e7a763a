#!/usr/bin/env python3
"""Writes tests/golden/llama_tiny/llama/patterns/: a peft adapter with every kind of exception by module (rank_pattern,
alpha_pattern, exclude_modules, layers_to_transform) on the tiny llama that is there, and what it computes.

    python make_patterns_golden.py      (torch, transformers, peft, safetensors)

In float64, as make_llama_golden.py, whose parts it uses. golden.safetensors beside the adapter: logits of batch/ids.
"""
import json
import os
import shutil

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

from make_llama_golden import SEED, exact_norms, exact_rope, rewrite_base_name, versions_of

EXCEPTIONS = dict(r=3, lora_alpha=6, target_modules=["q_proj", "k_proj", "v_proj", "down_proj", "up_proj"],
                  rank_pattern={"q_proj": 1, r"layers\.1\.mlp\.up_proj": 5}, alpha_pattern={"v_proj": 4.5},
                  layers_to_transform=[1], exclude_modules=["down_proj"], use_rslora=True, task_type="CAUSAL_LM")


def main():
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "llama_tiny", "llama")
    out = os.path.join(here, "patterns")
    shutil.rmtree(out, ignore_errors=True)
    torch.manual_seed(SEED + 1)
    model = transformers.LlamaForCausalLM.from_pretrained(here, dtype=torch.float32).eval().double()
    exact_norms(model)
    exact_rope(model)
    given = load_file(os.path.join(here, "golden.safetensors"))
    ids, cu = given["batch/ids"].long(), given["batch/cu_seqlens"].tolist()
    adapted = peft.get_peft_model(model, peft.LoraConfig(**EXCEPTIONS))
    with torch.no_grad():
        for n, p in adapted.named_parameters():
            if "lora_" in n:
                print(n, tuple(p.shape))
                p.copy_((0.3 * torch.randn(p.shape)).float().double())
        adapted.float().save_pretrained(out)
        adapted = adapted.double()
        logits = torch.cat([adapted(input_ids=ids[a:b][None]).logits[0] for a, b in zip(cu, cu[1:])])
    os.remove(os.path.join(out, "README.md"))
    rewrite_base_name(os.path.join(out, "adapter_config.json"), "llama")
    save_file({"logits": logits.float()}, os.path.join(out, "golden.safetensors"),
              metadata={"written_by": json.dumps(versions_of())})


if __name__ == "__main__":
    main()

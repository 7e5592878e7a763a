#!/usr/bin/env python3
"""Writes tests/golden/llama_variants/: one set of tiny random weights, config.json texts of variants (scaled rotary
embeddings, sliding windows), and what each computes.

    python make_llama_variants_golden.py [OUT]      (torch, transformers, safetensors)

Everything is computed by transformers in float64, one sequence at a time: with its own frequencies, in float32 as it
makes them, but angles and cosines in float64. Norms as in make_llama_golden.py. Lowland's packed rows must give the same
numbers. golden.safetensors has ids, cu_seqlens and targets, and of each variant NAME/logits, loss, greedy (with a cache)
and the gradients of some weights.
"""
import json
import os
import shutil
import sys
import tempfile

import torch
import transformers
from make_llama_golden import exact_norms, next_tokens, pack, random_sequences, run, scatter_parameters, versions_of
from safetensors.torch import save_file

SEED, VOCAB, NEW_TOKENS = 20260311, 61, 24
LENGTHS = [9, 1, 40, 23, 12]
SIZES = dict(vocab_size=VOCAB, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
             num_key_value_heads=1, head_dim=16, max_position_embeddings=96, rms_norm_eps=1e-5, rope_theta=100.0,
             tie_word_embeddings=True)
SHORT = [1.0, 1.0, 1.25, 1.5, 1.5, 2.0, 2.0, 2.5]
LONG = [1.0, 1.5, 2.0, 3.0, 5.0, 6.0, 7.5, 8.0]


def llama(**more):
    return dict(SIZES, model_type="llama", **more)


VARIANTS = {
    "dynamic": llama(max_position_embeddings=16, rope_scaling=dict(type="dynamic", factor=3.0)),
    "yarn": llama(rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=24)),
    "yarn_more": llama(rope_parameters=dict(rope_type="yarn", factor=6.0, rope_theta=50.0, beta_fast=4, beta_slow=0.5,
                                            mscale=0.8, mscale_all_dim=0.5, truncate=False,
                                            original_max_position_embeddings=16)),
    "yarn_beside": llama(rope_scaling=dict(rope_type="yarn", factor=2.0), original_max_position_embeddings=12,
                         rope_parameters=dict(rope_type="linear", factor=7.0, rope_theta=5.0)),
    "longrope": llama(original_max_position_embeddings=12,
                      rope_scaling=dict(type="longrope", short_factor=SHORT, long_factor=LONG)),
    "longrope_more": llama(rope_scaling=dict(rope_type="longrope", short_factor=SHORT, long_factor=LONG, factor=3.0,
                                             attention_factor=1.3, original_max_position_embeddings=20)),
    "mistral_window": dict(SIZES, model_type="mistral", sliding_window=5),
    "qwen2_window": dict(SIZES, model_type="qwen2", use_sliding_window=True, sliding_window=7, max_window_layers=1),
    "qwen2_layer_types": dict(SIZES, model_type="qwen2", use_sliding_window=True, sliding_window=3,
                              layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                              rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=24)),
}
for config in VARIANTS.values():
    if config["max_position_embeddings"] == 96 and config.get("rope_scaling") is None:
        config["max_position_embeddings"] = 128
GRADIENTS = ["embed_tokens", "layers.0.self_attn.q_proj.weight", "layers.0.self_attn.k_proj.weight",
             "layers.2.self_attn.q_proj.weight", "layers.1.self_attn.k_proj.weight",
             "layers.2.self_attn.v_proj.weight"]


def exact_rope(model):
    rotary = model.model.rotary_emb

    def forward(x, position_ids):
        fresh = type(rotary)(model.config)  # it remembers longer texts than this one
        fresh(x.float(), position_ids)
        angle = position_ids[..., None].double() * fresh.inv_freq.double()
        both = torch.cat((angle, angle), dim=-1)
        return (both.cos() * fresh.attention_scaling).to(x.dtype), (both.sin() * fresh.attention_scaling).to(x.dtype)
    rotary.forward = forward


def greedy(model, prompt):
    past, ids, out, margin = None, prompt, [], float("inf")
    for _ in range(NEW_TOKENS):
        with torch.no_grad():
            step = model(input_ids=ids[None], past_key_values=past, use_cache=True)
        past, top = step.past_key_values, step.logits[0, -1].topk(2).values
        margin = min(margin, float(top[0] - top[1]))
        ids = step.logits[0, -1].argmax()[None]
        out.append(int(ids))
    return torch.tensor(out, dtype=torch.int32), margin


def make_weights(out):
    """Of a qwen2, whose biases the others lack."""
    torch.manual_seed(SEED)
    model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**VARIANTS["qwen2_window"])).eval()
    scatter_parameters(model, 0.3)
    model.tie_weights()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        shutil.copy(os.path.join(folder, "model.safetensors"), out)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "llama_variants")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    torch.set_num_threads(1)
    make_weights(out)
    gen = torch.Generator().manual_seed(SEED)
    seqs = random_sequences(LENGTHS, gen)
    targets = next_tokens(seqs, gen)
    ids, cu = pack(seqs)
    tensors = {"ids": ids, "cu_seqlens": cu, "targets": torch.cat(targets).to(torch.int32)}
    for name, config in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(os.path.join(out, "model.safetensors"), folder)
            with open(os.path.join(folder, "config.json"), "w") as f:
                json.dump(config, f)
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
        single = torch.cat([model(input_ids=s[None]).logits[0].detach() for s in seqs[:2]])
        model = model.double()
        exact_norms(model)
        exact_rope(model)
        logits, loss, grads = run(model, seqs, targets)
        tokens, margin = greedy(model, seqs[0])
        error = float((single - logits[:10]).abs().max())
        print(f"{name}: float32 off by {error:.1e}, least margin {margin:.1e}")
        assert error < 1e-3 and margin > 1e-3
        tensors.update({name + "/logits": logits.float(), name + "/loss": loss.reshape(1), name + "/greedy": tokens})
        for key, value in grads.items():
            if any(g in key for g in GRADIENTS):
                tensors[f"{name}/grad/{key}"] = value.float()
    save_file(tensors, os.path.join(out, "golden.safetensors"), metadata={"written_by": json.dumps(versions_of())})
    with open(os.path.join(out, "variants.json"), "w") as f:
        json.dump(VARIANTS, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()

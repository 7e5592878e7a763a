"""Writes tests/golden/llama_original: a tiny Llama in Meta's layout, in one file and in two, and the same as transformers
has it. Needs torch, transformers, safetensors.

    python3 tests/golden/make_llama_original_golden.py
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

OUT = pathlib.Path(__file__).resolve().parent / "llama_original"
torch.manual_seed(9)
C, F, NH, NKV, L, V = 16, 24, 4, 2, 2, 40
model = LlamaForCausalLM(LlamaConfig(vocab_size=V, hidden_size=C, intermediate_size=F, num_hidden_layers=L,
                                     num_attention_heads=NH, num_key_value_heads=NKV)).to(torch.bfloat16)
state = {k: v.detach().clone() for k, v in model.state_dict().items()}
for k, v in state.items():
    if v.dim() == 1:
        v.uniform_(0.5, 1.5)


def pairs(w, heads):
    """The inverse of what transformers' conversion does to the rows of q and k."""
    return w.view(heads, 2, w.shape[0] // heads // 2, w.shape[1]).transpose(1, 2).reshape(w.shape)


def original(columns):
    """Name to (tensor, dimension that several files share; None: each has all)."""
    out = {"tok_embeddings.weight": (state["model.embed_tokens.weight"], 1 if columns else 0),
           "norm.weight": (state["model.norm.weight"], None), "output.weight": (state["lm_head.weight"], 0),
           "rope.freqs": (torch.arange(C // NH // 2).to(torch.bfloat16), None)}
    for i in range(L):
        at, to = f"model.layers.{i}.", f"layers.{i}."
        out[to + "attention.wq.weight"] = (pairs(state[at + "self_attn.q_proj.weight"], NH), 0)
        out[to + "attention.wk.weight"] = (pairs(state[at + "self_attn.k_proj.weight"], NKV), 0)
        out[to + "attention.wv.weight"] = (state[at + "self_attn.v_proj.weight"], 0)
        out[to + "attention.wo.weight"] = (state[at + "self_attn.o_proj.weight"], 1)
        out[to + "feed_forward.w1.weight"] = (state[at + "mlp.gate_proj.weight"], 0)
        out[to + "feed_forward.w2.weight"] = (state[at + "mlp.down_proj.weight"], 1)
        out[to + "feed_forward.w3.weight"] = (state[at + "mlp.up_proj.weight"], 0)
        out[to + "attention_norm.weight"] = (state[at + "input_layernorm.weight"], None)
        out[to + "ffn_norm.weight"] = (state[at + "post_attention_layernorm.weight"], None)
    return out


def write(name, files, columns):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    for f in range(files):
        part = {k: (v if d is None else v.chunk(files, d)[f]).clone() for k, (v, d) in original(columns).items()}
        torch.save(part, folder / f"consolidated.{f:02}.pth")
    params = {"dim": C, "n_layers": L, "n_heads": NH, "n_kv_heads": NKV, "vocab_size": -1, "multiple_of": 8, "norm_eps": 1e-5}
    (folder / "params.json").write_text(json.dumps(params) + "\n")


write("one", 1, True)
write("two", 2, True)
write("two-rows", 2, False)
save_file(state, OUT / "model.safetensors", metadata={"format": "pt"})
print(sum(p.stat().st_size for p in OUT.rglob("*") if p.is_file()), "bytes")

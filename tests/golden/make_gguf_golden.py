#!/usr/bin/env python3
"""Writes tests/golden/gguf/: the tiny decoders of llama_tiny as GGUF files, a file with a matrix of each type of blocks
and what these decode to, and two files of tokenizers.

    python make_gguf_golden.py [OUT]      (gguf, numpy, safetensors, sentencepiece)

Names are those of the gguf package's own map; the order of rows, the norms of Gemma, rope_freqs and the keys are as
llama.cpp's convert_hf_to_gguf.py writes them. Types, dimensions, offsets and quantised numbers are the package's.
"""
import json
import math
import os
import sys

import gguf
import numpy as np
import sentencepiece
from gguf.quants import dequantize, quantize
from safetensors.numpy import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "gguf")
ARCHITECTURES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "phi3": "phi3", "gemma2": "gemma2",
                 "gemma3_text": "gemma3"}
TYPES = gguf.GGMLQuantizationType


def paired(x, heads):
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def put_sizes(w, c):
    w.add_vocab_size(c["vocab_size"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    if "head_dim" in c:
        w.add_key_length(c["head_dim"])
        w.add_value_length(c["head_dim"])


def put_rope(w, c):
    head = c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    rope = c["rope_parameters"]
    full = rope.get("full_attention", rope)
    rotated = int(head * full.get("partial_rotary_factor", 1))
    w.add_rope_dimension_count(rotated)
    w.add_rope_freq_base(full["rope_theta"])
    kind = full["rope_type"]
    if kind == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(full["factor"])
    if kind == "llama3":
        factors = []
        for i in range(head // 2):
            wave = 2 * math.pi * full["rope_theta"] ** (2 * i / head)
            old, low, high = full["original_max_position_embeddings"], full["low_freq_factor"], full["high_freq_factor"]
            if wave < old / high:
                factors.append(1)
            elif wave > old / low:
                factors.append(full["factor"])
            else:
                smooth = (old / wave - low) / (high - low)
                factors.append(1 / ((1 - smooth) / full["factor"] + smooth))
        w.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    if kind == "longrope":
        old = full["original_max_position_embeddings"]
        w.add_rope_scaling_orig_ctx_len(old)
        scale = c["max_position_embeddings"] / old
        w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(old)))
        for which in ("long", "short"):
            w.add_tensor(f"rope_factors_{which}.weight", np.array(full[f"{which}_factor"], dtype=np.float32))


def write_model(name):
    folder = os.path.join(HERE, "llama_tiny", name)
    c = json.load(open(os.path.join(folder, "config.json")))
    arch = ARCHITECTURES[c["model_type"]]
    w = gguf.GGUFWriter(os.path.join(OUT, name + ".gguf"), arch)
    w.add_name("tiny " + name)
    put_sizes(w, c)
    put_rope(w, c)
    if c["model_type"].startswith("gemma"):
        w.add_sliding_window(c["sliding_window"])
        if c["attn_logit_softcapping"]:
            w.add_attn_logit_softcapping(c["attn_logit_softcapping"])
            w.add_final_logit_softcapping(c["final_logit_softcapping"])
    elif name == "phi3":
        w.add_sliding_window(c["sliding_window"])
    for key, put in (("bos_token_id", w.add_bos_token_id), ("pad_token_id", w.add_pad_token_id)):
        if c.get(key) is not None:
            put(c[key])
    eos = c["eos_token_id"]
    if eos is not None:
        w.add_eos_token_id(eos[0] if isinstance(eos, list) else eos)
    names = gguf.get_tensor_name_map(next(
        a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == arch), c["num_hidden_layers"])
    half = name not in ("llama", "gemma2")  # to keep the files small
    for hub, x in load_file(os.path.join(folder, "model.safetensors")).items():
        if arch == "llama" and "q_proj" in hub:
            x = paired(x, c["num_attention_heads"])
        if arch == "llama" and "k_proj" in hub:
            x = paired(x, c["num_key_value_heads"])
        if arch.startswith("gemma") and hub.endswith("norm.weight"):
            x = x + 1
        w.add_tensor(names.get_name(hub, (".weight", ".bias")), x.astype(np.float16) if half and x.ndim > 1 else x)
    finish(w)


def finish(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_encoder():
    folder = os.path.join(HERE, "bert_tiny")
    c = json.load(open(os.path.join(folder, "config.json")))
    w = gguf.GGUFWriter(os.path.join(OUT, "bert.gguf"), "bert")
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_layer_norm_eps(c["layer_norm_eps"])
    w.add_causal_attention(False)
    w.add_tokenizer_model("bert")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(97 + i) for i in range(26)]
    pieces = special + letters + ["##" + x for x in letters] + ["the", "cat", "sat"]
    w.add_token_list([p if p in special else p[2:] if p.startswith("##") else "\u2581" + p for p in pieces])
    w.add_token_types([3 if p in special else 1 for p in pieces])
    for put, token in ((w.add_pad_token_id, 0), (w.add_unk_token_id, 1), (w.add_bos_token_id, 2),
                       (w.add_sep_token_id, 3), (w.add_mask_token_id, 4)):
        put(token)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, c["num_hidden_layers"])
    for hub, x in load_file(os.path.join(folder, "model.safetensors")).items():
        if hub.startswith("bert.") and "pooler" not in hub:
            name = names.get_name(hub.removeprefix("bert."), (".weight", ".bias"))
            w.add_tensor(name, x.astype(np.float16) if x.ndim > 1 and "embeddings" not in hub else x)
    finish(w)


def write_blocks():
    random = np.random.default_rng(11)
    w = gguf.GGUFWriter(os.path.join(OUT, "blocks.gguf"), "llama")
    c = dict(vocab_size=64, max_position_embeddings=64, hidden_size=32, num_hidden_layers=1, intermediate_size=64,
             num_attention_heads=2, num_key_value_heads=1, rms_norm_eps=1e-5)
    put_sizes(w, c)
    shapes = {"token_embd": ((64, 32), TYPES.Q8_0), "blk.0.attn_q": ((32, 32), TYPES.Q4_0),
              "blk.0.attn_k": ((16, 32), TYPES.Q4_1), "blk.0.attn_v": ((16, 32), TYPES.Q5_0),
              "blk.0.attn_output": ((32, 32), TYPES.Q5_1), "blk.0.ffn_gate": ((64, 32), TYPES.Q4_1),
              "blk.0.ffn_up": ((64, 32), TYPES.BF16), "blk.0.ffn_down": ((32, 64), TYPES.Q8_0),
              "blk.0.attn_norm": ((32,), TYPES.F32), "blk.0.ffn_norm": ((32,), TYPES.F32),
              "output_norm": ((32,), TYPES.F32)}
    values = {}
    for name, (shape, kind) in shapes.items():
        raw = quantize(random.standard_normal(shape).astype(np.float32) * 0.2, kind)
        w.add_tensor(name + ".weight", raw, raw_dtype=kind)
        x = dequantize(raw, kind).reshape(shape)
        heads = {"attn_q": 2, "attn_k": 1}.get(name.split(".")[-1], 0)
        if heads:  # as transformers has them: the other way round
            x = x.reshape(heads, shape[0] // heads // 2, 2, shape[1]).swapaxes(2, 1).reshape(shape)
        values[name] = np.ascontiguousarray(x, dtype=np.float32)
    finish(w)
    save_file(values, os.path.join(OUT, "blocks.safetensors"))


def write_tokenizers():
    folder = os.path.join(HERE, "tokenizer_llama")
    j = json.load(open(os.path.join(folder, "bytes.json")))
    tokens = {i: t for t, i in j["model"]["vocab"].items()}
    kinds = {i: 1 for i in tokens}
    for added in j["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = 3 if added["special"] else 4
    w = gguf.GGUFWriter(os.path.join(OUT, "byte-level.gguf"), "llama")
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("llama-bpe")
    w.add_token_list([tokens[i] for i in range(len(tokens))])
    w.add_token_types([kinds[i] for i in range(len(tokens))])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in j["model"]["merges"]])
    w.add_bos_token_id(next(i for i, t in tokens.items() if t == "<|begin_of_text|>"))
    w.add_eos_token_id(next(i for i, t in tokens.items() if t == "<|end_of_text|>"))
    w.add_chat_template("{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}")
    finish(w)
    sp = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "sp.model"))
    kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 5 if sp.is_unused(i) else 6 if sp.is_byte(i) else 1
             for i in range(sp.vocab_size())]
    w = gguf.GGUFWriter(os.path.join(OUT, "pieces.gguf"), "llama")
    w.add_tokenizer_model("llama")
    w.add_tokenizer_pre("default")
    w.add_token_list([sp.id_to_piece(i).encode() for i in range(sp.vocab_size())])
    w.add_token_scores([sp.get_score(i) for i in range(sp.vocab_size())])
    w.add_token_types(kinds)
    w.add_bos_token_id(sp.bos_id())
    w.add_eos_token_id(sp.eos_id())
    w.add_unk_token_id(sp.unk_id())
    finish(w)


os.makedirs(OUT, exist_ok=True)
for model in ("llama", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"):
    write_model(model)
write_encoder()
write_blocks()
write_tokenizers()

#!/usr/bin/env python3
"""Writes tests/golden/llama_tiny/NAME/ for NAME in llama, mistral, qwen2, qwen3, phi3, gemma2, gemma3: tiny random models,
a LoRA adapter each, and what they compute.

    python make_llama_golden.py [OUT [NAME ...]]      (torch, transformers, peft, safetensors)

Everything is computed by transformers and peft in float64 from weights that are exact in float32, one sequence at a
time, without padding; Lowland's packed rows must give the same numbers. Some things are float32 in transformers whatever
the model is in: the norms, the softmax of its own attention, and the rotary embedding's frequencies, angles and cosines.
Here they are float64, but for the frequencies, which are rounded to float32 once; the difference is printed.
llama_tiny/README.md tells the tensors' names.
"""
import json
import math
import os
import platform
import shutil
import sys

import peft
import safetensors
import torch
import transformers
from safetensors.torch import save_file

SEED, VOCAB = 20240717, 61
LENGTHS = [9, 1, 14, 6]                          # of the batch every gradient is taken of
TRAIN_LENGTHS = [[6, 11, 4], [13, 2, 7], [3, 9, 10], [5, 5, 12]]
STEPS, LR, NEW_TOKENS = 20, 1e-2, 64

SIZES = dict(vocab_size=VOCAB, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=96, rms_norm_eps=1e-5, initializer_range=0.2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32, rope_theta=500.0)
LONGROPE = dict(rope_type="longrope", rope_theta=100.0, partial_rotary_factor=0.75, short_factor=[1.0, 1.25, 1.5],
                long_factor=[1.0, 2.0, 3.0])
CONFIGS = {
    # heads wider than hidden_size / heads, untied head, every rope band of llama3, biases everywhere
    "llama": lambda: transformers.LlamaConfig(**SIZES, head_dim=8, rope_parameters=LLAMA3, tie_word_embeddings=False,
                                              attention_bias=True, mlp_bias=True, eos_token_id=[2, 5, 7]),
    "mistral": lambda: transformers.MistralConfig(**SIZES, sliding_window=90, tie_word_embeddings=False,
                                                  rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
    "qwen2": lambda: transformers.Qwen2Config(**SIZES, tie_word_embeddings=True, use_sliding_window=False,
                                              rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=1000.0)),
    # heads normalised and wider than hidden_size / heads, a window in the second layer
    "qwen3": lambda: transformers.Qwen3Config(**SIZES, head_dim=6, tie_word_embeddings=False, use_sliding_window=True,
                                              sliding_window=5, max_window_layers=1,
                                              rope_parameters=dict(rope_type="default", rope_theta=1000.0)),
    # six of a head's eight columns rotated; the texts of more than 12 tokens by the long factors
    "phi3": lambda: transformers.Phi3Config(**{**SIZES, "num_attention_heads": 2, "num_key_value_heads": 1},
                                            original_max_position_embeddings=12, sliding_window=7,
                                            tie_word_embeddings=False, rope_parameters=LONGROPE, pad_token_id=0,
                                            eos_token_id=2),
    "gemma2": lambda: transformers.Gemma2Config(**{**SIZES, "hidden_size": 20}, head_dim=6, query_pre_attn_scalar=10,
                                                attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
                                                sliding_window=5,
                                                rope_parameters=dict(rope_type="default", rope_theta=100.0)),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **{**SIZES, "hidden_size": 20}, head_dim=6, query_pre_attn_scalar=10, sliding_window=5,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={"full_attention": dict(rope_type="linear", factor=2.0, rope_theta=1000.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=50.0)}),
}
MODELS = {"llama": transformers.LlamaForCausalLM, "mistral": transformers.MistralForCausalLM,
          "qwen2": transformers.Qwen2ForCausalLM, "qwen3": transformers.Qwen3ForCausalLM,
          "phi3": transformers.Phi3ForCausalLM, "gemma2": transformers.Gemma2ForCausalLM,
          "gemma3": transformers.Gemma3ForCausalLM}
TARGETS = {"llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
           "mistral": ["q_proj", "v_proj"], "qwen2": ["k_proj", "up_proj", "down_proj"],
           "qwen3": ["q_proj", "k_proj", "o_proj", "gate_proj"], "phi3": ["qkv_proj", "gate_up_proj", "o_proj"],
           "gemma2": ["q_proj", "v_proj", "down_proj"],
           "gemma3": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]}


def frequencies(rope, width, length=0):
    """Of `width` columns, for a text of `length` tokens."""
    half, out = width // 2, []
    for i in range(half):
        f = rope["rope_theta"] ** (-i / half)
        if rope["rope_type"] == "linear":
            f /= rope["factor"]
        if rope["rope_type"] == "longrope":
            f /= rope["long_factor" if length > rope["original_max_position_embeddings"] else "short_factor"][i]
        if rope["rope_type"] == "llama3":
            length, old = 2 * math.pi / f, rope["original_max_position_embeddings"]
            low, high = rope["low_freq_factor"], rope["high_freq_factor"]
            t = (old / length - low) / (high - low)
            if length > old / low:
                f /= rope["factor"]
            elif length >= old / high:
                f = (1 - t) * f / rope["factor"] + t * f
        out.append(f)
    return torch.tensor(out, dtype=torch.float64).float()


def is_gemma(model):
    return model.config.model_type.startswith("gemma")


def exact_norms(model):
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            def forward(x, m=module, one=1.0 if is_gemma(model) else 0.0):
                eps = m.eps if hasattr(m, "eps") else m.variance_epsilon
                return (one + m.weight) * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))
            module.forward = forward


def exact_softmax():
    softmax = torch.nn.functional.softmax

    def forward(x, dim=None, dtype=None, **_):
        return softmax(x, dim=dim, dtype=None if x.dtype == torch.float64 else dtype)
    torch.nn.functional.softmax = forward


def cosines(x, position_ids, f, factor):
    angle = position_ids[..., None].double() * f.double()
    both = torch.cat((angle, angle), dim=-1)
    return (both.cos() * factor).to(x.dtype), (both.sin() * factor).to(x.dtype)


def near(mine, theirs):
    error = ((mine - theirs.float()).abs() / theirs.float()).max()
    print("  frequencies against transformers', relative:", float(error))
    assert error < 5e-7
    return mine


def exact_rope(model):
    """Float64 angles and cosines, from frequencies that are rounded to float32 once."""
    rotary, config = model.model.rotary_emb, model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    if config.model_type == "gemma3_text":
        of = {kind: near(frequencies(rope[kind], width), getattr(rotary, kind + "_inv_freq")) for kind in rope}
        rotary.forward = lambda x, position_ids, layer_type: cosines(x, position_ids, of[layer_type], 1.0)
        return
    if config.model_type == "phi3":
        width = int(width * rope["partial_rotary_factor"])
        near(frequencies(rope, width), rotary.inv_freq)

        def by_length(x, position_ids):
            f = frequencies(rope, width, position_ids.shape[-1])
            return cosines(x, position_ids, f, rotary.attention_scaling)
        rotary.forward = by_length
        return
    f = near(frequencies(rope, width), rotary.inv_freq)
    rotary.forward = lambda x, position_ids: cosines(x, position_ids, f, 1.0)


def scatter_parameters(model, std=0.2):
    with torch.no_grad():
        for name, p in model.named_parameters():
            mean = 1.0 if "norm" in name and not is_gemma(model) else 0.0
            p.copy_(mean + std * torch.randn(p.shape))


def random_sequences(lengths, gen):
    return [torch.randint(3, VOCAB, (n,), generator=gen) for n in lengths]


def pack(seqs):
    cu = torch.tensor([0] + [len(s) for s in seqs]).cumsum(0)
    return torch.cat(seqs).to(torch.int32), cu.to(torch.int32)


def next_tokens(seqs, gen):
    """Targets: the next token, or -100 for the last one and for about half of the others."""
    out = []
    for s in seqs:
        t = torch.full_like(s, -100)
        t[:-1] = s[1:]
        t[torch.rand(len(s), generator=gen) < 0.4] = -100
        out.append(t)
    return out


def run(model, seqs, targets):
    model.zero_grad()
    logits = [model(input_ids=s[None]).logits[0] for s in seqs]
    flat, wanted = torch.cat(logits), torch.cat(targets)
    keep = wanted != -100
    loss = torch.nn.functional.cross_entropy(flat[keep], wanted[keep])
    loss.backward()
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}
    return flat.detach(), loss.detach(), grads


def greedy(model, prompt):
    ids, margin = prompt.clone(), float("inf")
    for _ in range(NEW_TOKENS):
        with torch.no_grad():
            logits = model(input_ids=ids[None]).logits[0, -1]
        top = logits.topk(2).values
        margin = min(margin, float(top[0] - top[1]))
        ids = torch.cat([ids, logits.argmax()[None]])
    return ids[len(prompt):].to(torch.int32), margin


def plain(name):
    return name.replace(".default.weight", ".weight")


class Golden:
    def __init__(self):
        self.tensors = {}

    def put(self, name, t):
        self.tensors[name] = t.detach().clone().contiguous()

    def put_run(self, prefix, result):
        logits, loss, grads = result
        self.put(prefix + "/logits", logits.float())
        self.put(prefix + "/loss", loss.reshape(1))
        for n, g in grads.items():
            self.put(f"{prefix}/grad/{plain(n)}", g.float())


def adamw_steps(model, golden, gen):
    batches = []
    for k, lengths in enumerate(TRAIN_LENGTHS):
        seqs = random_sequences(lengths, gen)
        targets = next_tokens(seqs, gen)
        batches.append((seqs, targets))
        ids, cu = pack(seqs)
        golden.put(f"train/ids_{k}", ids)
        golden.put(f"train/cu_seqlens_{k}", cu)
        golden.put(f"train/targets_{k}", torch.cat(targets).to(torch.int32))
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        _, loss, _ = run(model, *batches[step % len(batches)])
        optimizer.step()
        losses.append(loss.double())
    golden.put("train/losses", torch.stack(losses))


def rewrite_base_name(path, name):
    with open(path) as f:
        config = json.load(f)
    config["base_model_name_or_path"] = name
    if isinstance(config["target_modules"], list):
        config["target_modules"] = sorted(config["target_modules"])  # peft keeps a set
    with open(path, "w") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")


def make(name, out, versions):
    print(name)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    torch.manual_seed(SEED)
    gen = torch.Generator().manual_seed(SEED)
    model = MODELS[name](CONFIGS[name]()).eval()
    scatter_parameters(model)
    model.tie_weights()
    model.save_pretrained(out)
    if os.path.exists(os.path.join(out, "generation_config.json")):
        os.remove(os.path.join(out, "generation_config.json"))
    seqs = random_sequences(LENGTHS, gen)
    targets = next_tokens(seqs, gen)
    golden = Golden()
    ids, cu = pack(seqs)
    golden.put("batch/ids", ids)
    golden.put("batch/cu_seqlens", cu)
    golden.put("batch/targets", torch.cat(targets).to(torch.int32))
    with torch.no_grad():
        single = torch.cat([model(input_ids=s[None]).logits[0] for s in seqs])
    model = model.double()
    exact_norms(model)
    exact_rope(model)
    full = run(model, seqs, targets)
    print("  logits of transformers' float32 against these:", float((single - full[0]).abs().max()))
    golden.put_run("full", full)
    tokens, margin = greedy(model, seqs[0])
    print("  greedy: least margin between the two largest logits", margin)
    assert margin > 1e-3
    golden.put("greedy/tokens", tokens)
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=TARGETS[name], lora_dropout=0.0, task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for n, p in adapted.named_parameters():
            if "lora_" in n:
                p.copy_((0.3 * torch.randn(p.shape)).float().double())
    adapted.float().save_pretrained(os.path.join(out, "adapter"))
    os.remove(os.path.join(out, "adapter", "README.md"))
    rewrite_base_name(os.path.join(out, "adapter", "adapter_config.json"), name)
    adapted = adapted.double()
    golden.put_run("lora", run(adapted, seqs, targets))
    adamw_steps(adapted, golden, gen)
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"), metadata={"written_by": json.dumps(versions)})


def versions_of():
    return {"python": platform.python_version(), "torch": torch.__version__, "peft": peft.__version__,
            "transformers": transformers.__version__, "safetensors": safetensors.__version__}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "llama_tiny")
    exact_softmax()
    versions = versions_of()
    print(versions)
    torch.set_num_threads(1)
    os.makedirs(out, exist_ok=True)
    for name in sys.argv[2:] or CONFIGS:
        make(name, os.path.join(out, name), {"seed": str(SEED), **versions})


if __name__ == "__main__":
    main()

"""Writes sampling.json: logits as transformers' processors leave them, in the order in which generate() applies them,
and log-probabilities.

    python3 tests/golden/make_sampling_golden.py        (needs torch, transformers)
"""
import json
import pathlib

import torch
import transformers
from transformers import GenerationConfig, GenerationMixin, LlamaConfig, LlamaForCausalLM

torch.manual_seed(5)
V = 23
model = LlamaForCausalLM(LlamaConfig(vocab_size=V, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                                     num_attention_heads=1, num_key_value_heads=1))


def case(name, ids, **settings):
    config = GenerationConfig(do_sample="temperature" in settings, pad_token_id=0, top_k=settings.pop("top_k", 0), **settings)
    inputs = torch.tensor([ids])
    processors = model._get_logits_processor(generation_config=config, input_ids_seq_length=len(ids), encoder_input_ids=inputs,
                                             prefix_allowed_tokens_fn=None, logits_processor=[], device="cpu", model_kwargs={})
    logits = (torch.randn(1, V) * 3).float()
    after = processors(inputs, logits.clone())[0]
    kept = [i for i in range(V) if after[i] > -torch.inf]
    return {"name": name, "before": ids, "settings": {**settings, "top_k": config.top_k},
            "processors": [type(p).__name__ for p in processors],
            "logits": [float(x) for x in logits[0]],
            "kept": kept, "probabilities": [float(p) for p in torch.softmax(after.double(), -1)[kept]],
            "logprobs": [float(p) for p in torch.log_softmax(logits[0].double(), -1)]}


loop = [1, 2, 3, 4, 1, 2, 3, 5, 9, 1, 2]
cases = [
    case("penalty", loop, repetition_penalty=1.7),
    case("penalty below one", loop, repetition_penalty=0.6),
    case("two in order", loop, no_repeat_ngram_size=2),
    case("three in order", loop, no_repeat_ngram_size=3),
    case("one: never twice", loop, no_repeat_ngram_size=1),
    case("longer than what was there", [4, 4], no_repeat_ngram_size=3),
    case("as long as what was there", [4, 4, 4], no_repeat_ngram_size=3),
    case("min-p", loop, temperature=1.0, min_p=0.08),
    case("min-p, cold", loop, temperature=0.6, min_p=0.3),
    case("top-k and top-p", loop, temperature=1.3, top_k=9, top_p=0.8),
    case("top-p and min-p", loop, temperature=2.0, top_p=0.9, min_p=0.2),
    case("all together", loop, repetition_penalty=1.3, no_repeat_ngram_size=2, temperature=1.5, top_k=12, top_p=0.95,
         min_p=0.02),
    case("all together, other ids", [7, 7, 8, 7, 7], repetition_penalty=2.5, no_repeat_ngram_size=3, temperature=0.8,
         top_k=20, top_p=0.9, min_p=0.05),
]
out = pathlib.Path(__file__).with_name("sampling.json")
versions = {"torch": torch.__version__, "transformers": transformers.__version__}
out.write_text(json.dumps({"versions": versions, "cases": cases}, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
print(out.name, out.stat().st_size, "bytes", versions)
for c in cases:
    print(c["name"], c["processors"])

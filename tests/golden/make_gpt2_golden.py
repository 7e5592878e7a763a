#!/usr/bin/env python3
"""Writes tests/golden/gpt2_tiny/: a tiny random GPT-2, a LoRA adapter, and what they compute; and gpt2_tiny/other, the
configuration of a second one with its logits.

    python make_gpt2_golden.py [OUT]      (torch, transformers, peft, safetensors)

As make_llama_golden.py, whose names the tensors have; besides these
    smooth/loss            of batch/targets with the adapter, by transformers' LabelSmoother, epsilon 0.1
    beam/NAME/tokens, scores
                           the sequences that generate() returns after the first text of the batch and the last (_0, _1),
                           one for each beam, without the prompt, padded with -1; and their scores. beams.json has the
                           settings of each NAME
    other/logits           of gpt2_tiny/other: an own head, gelu by erf, scores divided by the number of the layer
"""
import json
import os
import shutil
import sys

import peft
import torch
import transformers
from make_llama_golden import LENGTHS, SEED, VOCAB, Golden, adamw_steps, exact_softmax, greedy, next_tokens, pack, \
    random_sequences, rewrite_base_name, run, versions_of
from safetensors.torch import save_file
from transformers.trainer_pt_utils import LabelSmoother

SIZES = dict(vocab_size=VOCAB, n_embd=16, n_inner=20, n_layer=2, n_head=2, n_positions=96, resid_pdrop=0.0,
             embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=2, initializer_range=0.2)
OTHER = dict(SIZES, n_inner=None, n_layer=3, tie_word_embeddings=False, activation_function="gelu",
             scale_attn_by_inverse_layer_idx=True)
NEW = 20
BEAMS = {
    "paper": dict(num_beams=10, length_penalty=0.8, no_repeat_ngram_size=4, eos_token_id=[7, 12]),
    "plain": dict(num_beams=3, eos_token_id=43),
    "long": dict(num_beams=4, length_penalty=2.0, no_repeat_ngram_size=2, eos_token_id=[12, 22]),
    "short": dict(num_beams=5, length_penalty=-1.0, eos_token_id=2),
    "early": dict(num_beams=6, early_stopping=True, no_repeat_ngram_size=3, eos_token_id=[7, 25, 43]),
    "never": dict(num_beams=4, early_stopping="never", length_penalty=1.5, no_repeat_ngram_size=5, eos_token_id=43),
    "penalty": dict(num_beams=4, repetition_penalty=1.7, no_repeat_ngram_size=2, eos_token_id=[7, 49]),
    "whole": dict(num_beams=4, length_penalty=0.0, no_repeat_ngram_size=3),
}


def scatter(model, std):
    """Texts that a model of these numbers writes vary: its tables are what counts most, and not the last bias."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            mean = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
            factor = 2.0 if "wte" in name or "wpe" in name else 0.2 if "ln_f.bias" in name else 1.0
            p.copy_(mean + factor * std * torch.randn(p.shape))


def beams(model, prompts, golden):
    for name, settings in BEAMS.items():
        for k, prompt in enumerate(prompts):
            out = model.generate(input_ids=prompt[None], attention_mask=torch.ones_like(prompt[None]), do_sample=False,
                                 max_new_tokens=NEW, pad_token_id=VOCAB - 1, num_return_sequences=settings["num_beams"],
                                 output_scores=True, return_dict_in_generate=True, **settings)
            tokens = out.sequences[:, len(prompt):].clone()
            ends = torch.tensor(settings.get("eos_token_id", 2)).reshape(-1)
            for row in tokens:  # what is behind the end
                ended = torch.isin(row, ends).nonzero()
                if len(ended):
                    row[ended[0, 0] + 1:] = -1
            scores = out.sequences_scores.double()
            print(f"  beam {name} {k}: {scores[:3].tolist()}, lengths {(tokens >= 0).sum(1).tolist()}")
            gaps = (scores[:-1] - scores[1:]).abs()
            assert float(gaps.min()) > 1e-6
            golden.put(f"beam/{name}/tokens_{k}", tokens.to(torch.int32))
            golden.put(f"beam/{name}/scores_{k}", scores)


def make_other(out, seqs, golden):
    torch.manual_seed(SEED + 1)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**OTHER)).eval()
    scatter(model, 0.3)
    model.save_pretrained(out)
    os.remove(os.path.join(out, "generation_config.json"))
    model = model.double()
    with torch.no_grad():
        golden.put("other/logits", torch.cat([model(input_ids=s[None]).logits[0] for s in seqs]).float())


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "gpt2_tiny")
    exact_softmax()
    torch.set_num_threads(1)
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    torch.manual_seed(SEED)
    gen = torch.Generator().manual_seed(SEED)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**SIZES)).eval()
    scatter(model, 0.3)
    model.tie_weights()
    model.save_pretrained(out)
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
    full = run(model, seqs, targets)
    print("logits of transformers' float32 against these:", float((single - full[0]).abs().max()))
    golden.put_run("full", full)
    tokens, margin = greedy(model, seqs[0])
    print("greedy: least margin between the two largest logits", margin)
    assert margin > 1e-3
    golden.put("greedy/tokens", tokens)
    beams(model, [seqs[0], seqs[3]], golden)
    make_other(os.path.join(out, "other"), seqs, golden)
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=["c_attn", "c_fc", "c_proj"], lora_dropout=0.0,
                             task_type="CAUSAL_LM", fan_in_fan_out=True)
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for n, p in adapted.named_parameters():
            if "lora_" in n:
                p.copy_((0.3 * torch.randn(p.shape)).float().double())
    adapted.float().save_pretrained(os.path.join(out, "adapter"))
    os.remove(os.path.join(out, "adapter", "README.md"))
    rewrite_base_name(os.path.join(out, "adapter", "adapter_config.json"), "gpt2")
    adapted = adapted.double()
    golden.put_run("lora", run(adapted, seqs, targets))
    logits, wanted = torch.cat([adapted(input_ids=s[None]).logits[0] for s in seqs]).detach(), torch.cat(targets)
    golden.put("smooth/loss", LabelSmoother(epsilon=0.1)({"logits": logits[None]}, wanted[None]).reshape(1))
    adamw_steps(adapted, golden, gen)
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"),
              metadata={"written_by": json.dumps({"seed": str(SEED), **versions_of()})})
    with open(os.path.join(out, "beams.json"), "w") as f:
        json.dump({"max_new_tokens": NEW, "settings": BEAMS}, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()

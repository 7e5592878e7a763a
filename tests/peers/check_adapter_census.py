#!/usr/bin/env python3
"""Real adapter_config.json beside peft: for each whose base is of a kind that Lowland has, a shrunken random base and
tensors by peft; the logits must be peft's, or the refusal one that the table below expects.

    check_adapter_census.py CONFIGS [--tools build/bin] [--work DIR] [--tolerance 1e-4]
        CONFIGS: a folder of NAME/adapter_config.json

The base is told by what the configuration targets: names of a Llama, a GPT-2 (either may be SEQ_CLS), a RoBERTa or a
DistilBERT (SEQ_CLS), or of a LLaVA (language_model). Names of other architectures are listed and left.
"""
import argparse
import json
import os
import shutil
import subprocess
import warnings

import torch
from peft import PeftModel, get_peft_config, get_peft_model
from transformers import (CLIPVisionConfig, DistilBertConfig, DistilBertForSequenceClassification, GPT2Config,
                          GPT2ForSequenceClassification, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM,
                          LlamaForSequenceClassification, LlavaConfig, LlavaForConditionalGeneration, RobertaConfig,
                          RobertaForSequenceClassification)

warnings.filterwarnings("ignore")
LLAMA = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head", "embed_tokens"}
REFUSED = ("use_dora", "kasa_config", "use_bdlora", "lora_bias", "target_parameters",
           "layer_replication")


def kind_of(config):
    if config.get("peft_type") != "LORA":
        return "other", "peft_type is not LORA"
    targets = config.get("target_modules")
    if targets is None:
        return "llama", ""
    if isinstance(targets, str):
        return ("llava", "") if "language" in targets or "model\\.layers" in targets else ("other", targets)
    last = {t.rsplit(".", 1)[-1] for t in targets}
    if any("language_model" in t for t in targets):
        return "llava", ""
    if config.get("task_type") == "SEQ_CLS" and last <= {"query", "key", "value", "dense"}:
        return "roberta", ""
    classes = "-classes" if config.get("task_type") == "SEQ_CLS" else ""
    if classes and last <= {"q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"}:
        return "distilbert", ""
    if last and last <= {"c_attn", "c_proj", "c_fc", "wte", "lm_head"}:
        return "gpt2" + classes, ""
    if last & LLAMA and config.get("task_type") in ("CAUSAL_LM", "SEQ_CLS", None):
        return "llama" + classes, ""
    return "other", "targets of another architecture: " + ", ".join(sorted(last)[:4])


def base_of(kind, layers):
    torch.manual_seed(1)
    text = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=layers, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=64)
    if kind == "roberta":
        return RobertaForSequenceClassification(
            RobertaConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                          intermediate_size=48, max_position_embeddings=40, type_vocab_size=1, num_labels=3))
    if kind == "distilbert":
        return DistilBertForSequenceClassification(
            DistilBertConfig(vocab_size=96, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=40,
                             num_labels=3))
    if kind.startswith("gpt2"):
        gpt2 = GPT2Config(vocab_size=96, n_embd=32, n_layer=layers, n_head=4, n_positions=64, num_labels=3,
                          bos_token_id=0, eos_token_id=1, pad_token_id=0)
        return GPT2ForSequenceClassification(gpt2) if kind.endswith("classes") else GPT2LMHeadModel(gpt2)
    if kind == "llama-classes":
        return LlamaForSequenceClassification(LlamaConfig(**text, num_labels=3, pad_token_id=0))
    if kind == "llava":
        vision = CLIPVisionConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
                                  image_size=28, patch_size=14, projection_dim=32)
        return LlavaForConditionalGeneration(
            LlavaConfig(vision_config=vision, text_config=LlamaConfig(**text), image_token_index=95,
                        image_seq_length=4))
    return LlamaForCausalLM(LlamaConfig(**text))


def layers_of(config):
    numbers = [0]
    for t in config.get("target_modules") or []:
        numbers += [int(p) for p in t.split(".") if p.isdigit()] if isinstance(config["target_modules"], list) else []
    for n in config.get("layers_to_transform") or []:
        numbers.append(n)
    return max(2, max(numbers) + 1)


def spread(model):
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.15) if p.dim() > 1 else None


def last_logits(model, ids):
    with torch.no_grad():
        rows = [model(input_ids=torch.tensor([i])).logits[0] for i in ids]
    return torch.stack([r if r.dim() == 1 else r[-1] for r in rows])


def run_one(config, kind, work, args):
    base, adapter = os.path.join(work, "base"), os.path.join(work, "adapter")
    shutil.rmtree(work, ignore_errors=True)
    model = base_of(kind, layers_of(config))
    spread(model)
    model.eval().save_pretrained(base)
    ids = [[5, 9, 2, 31, 17], [7, 40, 3]]
    known = {k: v for k, v in config.items() if k not in ("auto_mapping", "base_model_name_or_path", "peft_version")}
    expected, error = None, ""
    try:
        torch.manual_seed(2)
        plain = last_logits(model, ids)
        made = get_peft_model(model, get_peft_config(dict(known, inference_mode=False)))
        for name, p in made.named_parameters():
            if p.requires_grad:
                torch.nn.init.normal_(p, std=0.15)
        made.save_pretrained(adapter)
        again = type(model).from_pretrained(base).eval()
        expected = last_logits(PeftModel.from_pretrained(again, adapter).eval(), ids)
        if (expected - plain).abs().max() < 1e-3:
            error = "the adapter changes nothing"
    except Exception as e:  # peft's own refusal
        error = f"{type(e).__name__}: {e}"
    if not os.path.exists(os.path.join(adapter, "adapter_config.json")):
        return "peft refuses", error.splitlines()[0][:90]
    # What the program sees is the configuration as it was published.
    with open(os.path.join(adapter, "adapter_config.json"), "w") as f:
        json.dump(config, f)
    with open(os.path.join(work, "ids.json"), "w") as f:
        json.dump({"ids": ids}, f)
    ran = subprocess.run([os.path.join(args.tools, "adapter_logits"), base, adapter, os.path.join(work, "ids.json")],
                         capture_output=True, text=True)
    if ran.returncode != 0:
        by_name = any(k in ran.stderr for k in REFUSED)
        return ("refused by name" if by_name else "REFUSED"), ran.stderr.strip()[:160]
    if expected is None:
        return "READ, peft does not", error[:90]
    off = (torch.tensor(json.loads(ran.stdout)["logits"]) - expected).abs().max().item()
    return ("equal" if off <= args.tolerance and not error else "DIFFERS"), f"{off:.1e} {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs")
    parser.add_argument("--tools", default="build/bin")
    parser.add_argument("--work", default="/tmp/adapter_census")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    counts = {}
    for name in sorted(os.listdir(args.configs)):
        path = os.path.join(args.configs, name, "adapter_config.json")
        if not os.path.exists(path):
            continue
        with open(path) as f:
            config = json.load(f)
        kind, why = kind_of(config)
        outcome, detail = ("other", why) if kind == "other" else run_one(config, kind, args.work, args)
        counts[outcome] = counts.get(outcome, 0) + 1
        print(f"{name}  {kind:13} {outcome:18} {detail}", flush=True)
    print(", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())))


main()

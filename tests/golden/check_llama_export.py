#!/usr/bin/env python3
"""What lowland-llama writes, read by peft and transformers: a model pretrained, an adapter trained and merged by it.

    python check_llama_export.py build/bin/lowland-llama      (torch, transformers, peft)

Checks that peft finds every key of the adapter and no other, that adapter and merged model give the same logits, that
they differ from the base's, and that greedy text is the same here and there.
"""
import json
import os
import subprocess
import sys
import tempfile

import peft
import torch
import transformers

CONFIG = dict(model_type="llama", hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, vocab_size=512, max_position_embeddings=128, rms_norm_eps=1e-5,
              rope_scaling=dict(rope_type="llama3", factor=8, low_freq_factor=1, high_freq_factor=4,
                                original_max_position_embeddings=64))
NEW_TOKENS, PROMPT = 24, "name : X7 |"


def program(*args):
    done = subprocess.run([sys.argv[1], *args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)}\n{done.stderr}")
    return done.stdout


def write_inputs(folder):
    with open(folder + "/config.json", "w") as f:
        json.dump(CONFIG, f)
    with open(folder + "/text.txt", "w") as f:
        f.writelines(f"name : X{i} | area : {'riverside' if i % 3 else 'city centre'}\n" for i in range(300))
    with open(folder + "/train.jsonl", "w") as f:
        for i in range(40):
            f.write(json.dumps({"prompt": f"name : X{i} |", "completion": f" pub number {i}"}) + "\n")


def main():
    with tempfile.TemporaryDirectory() as w, torch.no_grad():
        write_inputs(w)
        program("pretrain", "--text", w + "/text.txt", "--line-by-line", "--model-config", w + "/config.json",
                "--vocab-size", "400", "--epochs", "2", "--batch-size", "8", "--out", w + "/pre", "--threads", "1")
        base, adapter = w + "/pre/model", w + "/run/adapter"
        program("finetune", "--model", base, "--train", w + "/train.jsonl", "--targets", "all-linear", "--method",
                "eflat-lora", "--lr", "1e-2", "--epochs", "3", "--batch-size", "4", "--threads", "1", "--out",
                w + "/run")
        program("merge", "--model", base, "--adapter", adapter, "--out", w + "/merged")
        model = transformers.AutoModelForCausalLM.from_pretrained(base)
        ids = torch.randint(5, model.config.vocab_size, (1, 20))
        plain = model(ids).logits
        adapted = peft.PeftModel.from_pretrained(model, adapter)
        found = peft.set_peft_model_state_dict(adapted, peft.load_peft_weights(adapter))
        assert not found.unexpected_keys and not [k for k in found.missing_keys if "lora" in k], found
        ours = adapted(ids).logits
        merged = transformers.AutoModelForCausalLM.from_pretrained(w + "/merged")
        change, error = float((ours - plain).abs().max()), float((merged(ids).logits - ours).abs().max())
        print("the adapter changes logits by", change, "merged against peft", error)
        assert change > 0.1 and error < 1e-4
        text = program("generate", "--run", w + "/run", "--prompt", PROMPT, "--max-new-tokens", str(NEW_TOKENS),
                       "--ignore-eos")
        tokenizer = transformers.RobertaTokenizerFast.from_pretrained(base)
        prompt = [tokenizer.bos_token_id] + tokenizer(PROMPT, add_special_tokens=False).input_ids
        out = prompt[:]
        for _ in range(NEW_TOKENS):
            out.append(int(adapted(torch.tensor([out])).logits[0, -1].argmax()))
        theirs = tokenizer.decode(out[len(prompt):], skip_special_tokens=True) + "\n"
        print(repr(text), repr(theirs))
        assert text == theirs
    print("as it should be")


if __name__ == "__main__":
    main()

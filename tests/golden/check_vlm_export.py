#!/usr/bin/env python3
"""What lowland-vlm writes, read by transformers and peft, on real pictures through both image processors.

    python check_vlm_export.py build/bin PICTURES      (torch, transformers, peft, Pillow)

PICTURES: a folder with one folder of JPEG or PNG files for each class. Trains a small tower on them, a small language
model, the projector, and adapters of the language model's q_proj only, one in each spelling of the modules' names.
Checks that transformers loads the base, that peft finds every key of each adapter and no other, that they change the
loss, that adapter, merged folder and Lowland agree on it, and that greedy answers are the same here and there.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import peft
import torch
import transformers
from PIL import Image

VISION = dict(model_type="clip_vision_model", hidden_size=32, intermediate_size=64, num_hidden_layers=3,
              num_attention_heads=4, image_size=32, patch_size=8, hidden_act="quick_gelu")
LANGUAGE = dict(model_type="llama", hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, vocab_size=400, max_position_embeddings=128, rms_norm_eps=1e-5)
QUESTION, EACH, NEW_TOKENS = "what is this?", 8, 6


def program(name, *args):
    done = subprocess.run([os.path.join(sys.argv[1], name), *args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name} {' '.join(args)}\n{done.stderr}")
    return done.stdout


def train(work, pictures):
    """Base and two adapters; the questions about EACH pictures of each class."""
    classes = sorted(os.listdir(pictures))
    samples = []
    for name in classes:
        folder = os.path.join(pictures, name)
        samples += [(os.path.realpath(os.path.join(folder, f)), name) for f in sorted(os.listdir(folder))[:EACH]]
    for file, config in (("vision.json", VISION), ("language.json", LANGUAGE)):
        with open(f"{work}/{file}", "w") as f:
            json.dump(config, f)
    with open(work + "/text.txt", "w") as f:
        f.writelines(f"USER: {name}\n{QUESTION} ASSISTANT: {name}\n\n" for name in classes * 20)
    with open(work + "/questions.jsonl", "w") as f:
        f.writelines(json.dumps(dict(image=p, question=QUESTION, answer=a)) + "\n" for p, a in samples)
    common = ["--threads", "2", "--batch-size", "16"]
    program("lowland-vlm", "pretrain", "--class-dir", pictures, "--model-config", work + "/vision.json", "--max-steps", "60",
            "--max-train-samples", "2000", "--max-eval-samples", "200", "--out", work + "/vision", *common)
    program("lowland-llama", "pretrain", "--text", work + "/text.txt", "--model-config", work + "/language.json",
            "--vocab-size", "350", "--epochs", "4", "--lr", "3e-3", "--out", work + "/language", *common)
    program("lowland-vlm", "pretrain", "--vision-model", work + "/vision/model", "--language-model",
            work + "/language/model", "--task", "vqa", "--train", work + "/questions.jsonl", "--epochs", "2", "--out",
            work + "/base", *common)
    for run, more in (("new", []), ("old", ["--old-names"])):
        program("lowland-vlm", "finetune", "--model", work + "/base/model", "--train", work + "/questions.jsonl",
                "--targets", "q_proj", "--method", "eflat-lora", "--lr", "2e-2", "--epochs", "3", "--dev-fraction", "0", "--out",
                f"{work}/{run}", *common, *more)
    return samples


def encode(tokenizer, processor, config, file, answer):
    """Ids of the prompt and of the answer, pixels."""
    images = (config.vision_config.image_size // config.vision_config.patch_size) ** 2
    front, back = "USER: ", f"\n{QUESTION} ASSISTANT:"
    ids = lambda text: tokenizer(text, add_special_tokens=False).input_ids
    prompt = [tokenizer.bos_token_id] + ids(front) + [config.image_token_id] * images + ids(back)
    pixels = processor(images=Image.open(file), return_tensors="pt").pixel_values
    return prompt, ids(" " + answer) + [tokenizer.eos_token_id], pixels


def loss(model, batch):
    total, count = 0.0, 0
    for prompt, answer, pixels in batch:
        logits = model(input_ids=torch.tensor([prompt + answer]), pixel_values=pixels).logits[0].double()
        rows = logits[len(prompt) - 1:-1].log_softmax(-1)
        total -= float(rows[torch.arange(len(answer)), torch.tensor(answer)].sum())
        count += len(answer)
    return total / count


def main():
    with tempfile.TemporaryDirectory() as work, torch.no_grad():
        samples = train(work, sys.argv[2])
        base = work + "/base/model"
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        processor = transformers.CLIPImageProcessorPil.from_pretrained(base)
        read = lambda folder: transformers.LlavaForConditionalGeneration.from_pretrained(folder).eval()
        model = read(base)
        batch = [encode(tokenizer, processor, model.config, *s) for s in samples]
        plain = loss(model, batch)
        lowland = lambda *args: json.loads(program("lowland-vlm", "evaluate", "--split", "test", "--test",
                                                   work + "/questions.jsonl", "--loss", "--max-new-tokens", "1", *args))
        print("base:", plain, "against", lowland("--model", base)["eval_loss"])
        assert math.isclose(plain, lowland("--model", base)["eval_loss"], abs_tol=1e-4)
        for run in ("new", "old"):
            folder = f"{work}/{run}/adapter"
            adapted = peft.PeftModel.from_pretrained(read(base), folder)
            keys = set(peft.load_peft_weights(folder))
            found = peft.set_peft_model_state_dict(adapted, peft.load_peft_weights(folder))
            assert not found.unexpected_keys and not [k for k in found.missing_keys if "lora" in k], found
            theirs, ours = loss(adapted, batch), lowland("--run", f"{work}/{run}")["eval_loss"]
            print(run, "names:", len(keys), "keys, e.g.", sorted(keys)[0], "| loss", theirs, "against", ours)
            assert math.isclose(theirs, ours, abs_tol=1e-4) and abs(theirs - plain) > 1e-2
        program("lowland-vlm", "merge", "--model", base, "--adapter", work + "/new/adapter", "--out", work + "/merged")
        assert math.isclose(loss(read(work + "/merged"), batch), theirs, abs_tol=1e-4)
        lines = program("lowland-vlm", "predict", "--run", work + "/new", "--input", work + "/questions.jsonl",
                        "--max-new-tokens", str(NEW_TOKENS)).splitlines()
        for line, (prompt, _, pixels) in list(zip(lines, batch, strict=True))[::5]:
            out = list(prompt)
            while len(out) < len(prompt) + NEW_TOKENS:
                out.append(int(adapted(input_ids=torch.tensor([out]), pixel_values=pixels).logits[0, -1].argmax()))
                if out[-1] == tokenizer.eos_token_id:
                    break
            theirs = tokenizer.decode(out[len(prompt):], skip_special_tokens=True).strip()
            assert json.loads(line)["answer"] == theirs, (line, theirs)
    print("as it should be")


if __name__ == "__main__":
    main()

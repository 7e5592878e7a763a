"""What the programs write is what transformers and peft read: tokenizers of `pretrain` (AutoTokenizer, pipeline), the
chat template beside an adapter and in a merged folder, and the folders of `convert`.

    python3 tests/peers/check_outcome.py [BIN] [STORIES]

BIN: build/bin. STORIES: a folder with stories260K.bin, tok512.bin and greedy200.txt. Needs torch, transformers; of STORIES
protobuf as well, by which transformers reads tokenizer.model.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

BIN = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/bin").resolve()
STORIES = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
TEXTS = ["the cat sat", " two  blanks", "Zürich 3.14 <s> x", "", "a\nb\n", "</s>", "naïve 你好"]
WORDS = "the cat sat on the mat and the dog ran over red green blue hills all day long".split()


def run(program, *args):
    return subprocess.run([BIN / program, *map(str, args)], check=True, capture_output=True, text=True).stdout


def check(what, ok):
    print("ok  " if ok else "FAIL", what)
    check.failed |= not ok


check.failed = False
w = pathlib.Path(tempfile.mkdtemp())
(w / "text.txt").write_text("\n\n".join(" ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, 12)) for i in range(1, 40)))
sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 320}
(w / "llama.json").write_text(json.dumps({"model_type": "llama", "num_key_value_heads": 2, "max_position_embeddings": 512, **sizes}))
(w / "roberta.json").write_text(json.dumps({"model_type": "roberta", "max_position_embeddings": 66, "type_vocab_size": 1, **sizes}))
for program, config in (("lowland-llama", "llama.json"), ("lowland-roberta", "roberta.json")):
    run(program, "pretrain", "--text", w / "text.txt", "--model-config", w / config, "--vocab-size", 320, "--epochs", 3,
        "--lr", "5e-3", "--threads", 1, "--out", w / program)
    folder = w / program / "model"
    auto, plain = AutoTokenizer.from_pretrained(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    print(program, type(auto).__name__, auto.special_tokens_map)
    for text in TEXTS:
        check(f"{program}: ids of {text!r}", auto(text).input_ids == plain.encode(text).ids)
        ids = auto(text).input_ids
        check(f"{program}: begins with <s>, ends as it should", ids[0] == auto.bos_token_id and
              (ids[-1] == auto.eos_token_id) == (program == "lowland-roberta" or text == "</s>"))
    check(f"{program}: longest text", auto.model_max_length == (512 if program == "lowland-llama" else 64))

llama = w / "lowland-llama/model"
text = pipeline("text-generation", model=str(llama), device="cpu")("the cat", max_new_tokens=12, do_sample=False)[0]["generated_text"]
ours = "the cat" + run("lowland-llama", "generate", "--model", llama, "--prompt", "the cat", "--max-new-tokens", 12)[:-1]
check(f"pipeline text-generation: {text!r} and {ours!r}", text == ours)
filled = pipeline("fill-mask", model=str(w / "lowland-roberta/model"), device="cpu")("the <mask> sat")
check(f"pipeline fill-mask: {filled[0]['token_str']!r}", len(filled) == 5)

(w / "chat.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "the cat?"},
                                                       {"role": "assistant", "content": "sat"}]}) + "\n")
for template in ("zephyr", "vicuna", "chatml", "llama2", "plain"):
    out = w / template
    run("lowland-llama", "finetune", "--model", llama, "--train", w / "chat.jsonl", "--dev-fraction", 0, "--chat-template", template,
        "--max-steps", 1, "--threads", 1, "--out", out)
    run("lowland-llama", "merge", "--model", llama, "--adapter", out / "adapter", "--out", out / "merged")
    texts = []
    for folder in (out / "adapter", out / "merged"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        texts.append(tokenizer.apply_chat_template([{"role": "user", "content": "the cat?"}], tokenize=False, add_generation_prompt=True))
    check(f"{template}: {texts[0]!r}", texts[0] == texts[1] and "the cat?" in texts[0])
    said = json.loads(run("lowland-llama", "evaluate", "--model", llama, "--adapter", out / "adapter",
                          "--dev", w / "chat.jsonl", "--generate"))
    check(f"{template}: evaluate without a flag", said["eval_examples"] == 1)

if STORIES:
    run("lowland-llama", "convert", "--model", STORIES / "stories260K.bin", "--tokenizer", STORIES / "tok512.bin", "--out", w / "stories")
    tokenizer = AutoTokenizer.from_pretrained(w / "stories")
    model = AutoModelForCausalLM.from_pretrained(w / "stories", dtype=torch.float32)
    ids = model.generate(torch.tensor([[1]]), max_new_tokens=200, do_sample=False)[0]
    told, wanted = tokenizer.decode(ids, skip_special_tokens=True).strip(), (STORIES / "greedy200.txt").read_text().strip()
    check(f"stories260K in transformers: {told[:60]!r}", told == wanted)
sys.exit(check.failed)

"""Compares Lowland's chat templates with transformers' apply_chat_template on published templates. Not part of CI.

Usage: python check_chat.py BUILD TEMPLATES KIND=TOKENIZER...
  BUILD      a build folder (its bin/render_chat is run)
  TEMPLATES  a folder with NAME.jinja or NAME--NOTE.jinja: the chat_template of a published checkpoint that the built-in
             NAME must equal
  TOKENIZER  a folder with tokenizer.json for the templates whose name begins with KIND: ids are then compared as well
Writes nothing. Ends with exit code 1 if anything differs. Needs transformers.
"""
import json
import os
import random
import subprocess
import sys

from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import _compile_jinja_template

WORDS = ["Hello", "Who are you?", "  blanks  ", "line\nline\n\n", "日本語 👍", "<|eot_id|> </s> <s> [INST]", "\u3000x\u0085", "\n", "a",
         "It is a truth universally acknowledged", "</s>", "<|im_end|>", "x\t", "", "\x1cy\x1f", "e\u0301"]
DATE = "26 Jul 2024"  # newer templates take today's where they are given none


def conversations(count, system, seed=3):
    rng = random.Random(seed)
    content = lambda: " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 4)))
    for i in range(count):
        messages = [{"role": "system", "content": content()}] if system and i % 2 else []
        for turn in range(1 + i % 5):
            messages.append({"role": ("user", "assistant")[turn % 2], "content": content()})
        yield {"messages": messages, "generation_prompt": i % 3 == 0}


def specials_of(name):
    if name.startswith("llama3"):
        return "<|begin_of_text|>", "<|eot_id|>"
    if name == "dialogpt":
        return "<|endoftext|>", "<|endoftext|>"
    return ("", "<|im_end|>") if name.startswith(("qwen", "chatml")) else ("<s>", "</s>")


def render(template, case, bos, eos):
    return _compile_jinja_template(template).render(messages=case["messages"], add_generation_prompt=case["generation_prompt"],
                                                    bos_token=bos, eos_token=eos, tools=None, date_string=DATE)


def expected_answers(template, case, bos, eos, text):
    """From behind the generation prompt of the turns before to the end of the turn's last marker."""
    out = []
    for i, message in enumerate(case["messages"]):
        if message["role"] != "assistant":
            continue
        before = dict(messages=case["messages"][:i], generation_prompt=True)
        upto = dict(messages=case["messages"][:i + 1], generation_prompt=False)
        begin, end = render(template, before, bos, eos), render(template, upto, bos, eos).rstrip("\n")
        if not (text.startswith(begin) and text.startswith(end)):
            return None  # mistral-v3 moves the system message, so that a prompt is not the beginning of a conversation
        out.append([len(begin.encode()), len(end.encode())])
    return out


def check(build, path, name, folder):
    template = open(path, newline="").read()
    bos, eos = specials_of(name)
    cases = [dict(case, bos=bos, eos=eos) for case in conversations(300, system=name != "mistral")]
    command = [f"{build}/bin/render_chat", name] + ([folder] if folder else [])
    lines = subprocess.run(command, input="\n".join(map(json.dumps, cases)) + "\n", stdout=subprocess.PIPE, check=True,
                           text=True).stdout.split("\n")[:-1]
    answers = [json.loads(line) for line in lines]
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", chat_template=template, bos_token=bos or None,
                                        eos_token=eos) if folder else None
    wrong = ranges = ids = 0
    if len(answers) != len(cases):
        print(path, answers[:1])
        return 1
    for case, got in zip(cases, answers):
        text = render(template, case, "" if name == "vicuna" else bos, eos)  # there the tokenizer puts it
        if got.get("text") != text:
            wrong += 1
            print("   ", case, "\n   ours  ", got, "\n   theirs", repr(text)) if wrong < 3 else None
            continue
        expected = expected_answers(template, case, "" if name == "vicuna" else bos, eos, text)
        # A turn's last newlines are stripped above: contents that end with some are left out.
        if expected is not None and not any(m["content"].endswith("\n") for m in case["messages"]):
            ranges += 1
            if expected != got["answers"]:
                wrong += 1
                print("   ranges", case, got, expected) if wrong < 3 else None
        special_text = any("<" in m["content"] or "[" in m["content"] for m in case["messages"])
        if tokenizer and not special_text:
            ids += 1
            if name == "vicuna":  # FastChat hands the text to the tokenizer
                out = tokenizer(text)["input_ids"]
            else:
                out = tokenizer.apply_chat_template(case["messages"], add_generation_prompt=case["generation_prompt"],
                                                    tokenize=True, return_dict=True, date_string=DATE)["input_ids"]
            if out != got["ids"]:
                wrong += 1
                print("   ids", case, got["ids"], out) if wrong < 3 else None
            wrong += check_mask(tokenizer, text, got)
    print(f"{os.path.basename(path):32} {name:12} {len(cases)} conversations, {ranges} with ranges, {ids} with ids: {wrong} differ")
    return wrong


def check_mask(tokenizer, text, got):
    """An id is in the answer if all of its characters are."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    if encoded["input_ids"] != got["ids"]:
        return 0
    in_bytes = [0]
    for c in text:
        in_bytes.append(in_bytes[-1] + len(c.encode()))
    wrong = 0
    for (begin, end), mine in zip(encoded["offset_mapping"], got["is_answer"], strict=True):
        if end > begin:
            wrong += mine != any(b <= in_bytes[begin] and in_bytes[end] <= e for b, e in got["answers"])
    return wrong > 0


def main():
    build, templates = sys.argv[1:3]
    folders = dict(arg.split("=", 1) for arg in sys.argv[3:])
    files = sorted(os.listdir(templates))
    if not files:
        sys.exit(f"there is no template in {templates}")
    wrong = 0
    for file in files:
        name = file.removesuffix(".jinja").split("--")[0]
        folder = next((f for kind, f in folders.items() if name.startswith(kind)), None)
        wrong += check(build, f"{templates}/{file}", name, folder)
    print(f"{wrong} differences in all")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

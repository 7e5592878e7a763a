"""Writes chat_golden.json: conversations as transformers' apply_chat_template renders them. CI needs no Python.

Usage: python make_chat_golden.py TEMPLATES      (see check_chat.py; only NAME.jinja of them, without a note, are used)
"""
import importlib.metadata
import json
import os
import sys

from check_chat import conversations, expected_answers, render, specials_of


def main():
    here, templates = os.path.dirname(os.path.abspath(__file__)), sys.argv[1]
    out = {"written_by": f"transformers {importlib.metadata.version('transformers')}", "templates": []}
    for file in sorted(os.listdir(templates)):
        name = file.removesuffix(".jinja")
        if "--" in name:
            continue
        template = open(f"{templates}/{file}", newline="").read()
        bos, eos = ("", "</s>") if name == "vicuna" else specials_of(name)
        cases = []
        for case in conversations(20, system=name != "mistral", seed=5):
            text = render(template, case, bos, eos)
            case.update(text=text)
            if not any(m["content"].endswith("\n") for m in case["messages"]):
                case["answers"] = expected_answers(template, case, bos, eos, text)
            cases.append(case)
        out["templates"].append({"name": name, "bos": bos, "eos": eos, "cases": cases})
    with open(f"{here}/chat_golden.json", "w") as file:
        json.dump(out, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()

"""Compares chat templates as Lowland runs them with transformers' apply_chat_template. Not part of CI.

Usage: python check_chat_census.py BUILD TEMPLATES [NAME...]
  BUILD      a build folder (its bin/render_chat is run)
  TEMPLATES  a folder with NAME.jinja, and beside each NAME.json with bos_token and eos_token
Conversations are made here: with and without a system message, one to three turns, with and without the generation prompt,
Unicode, contents in parts, reasoning, tools with calls and results, roles out of order. Text must be equal wherever
transformers renders; where it raises, Lowland must refuse. Prints what differs; exit code 1 if anything does. Needs
transformers.
"""
import datetime
import json
import os
import random
import subprocess
import sys

from transformers.utils import chat_template_utils

CONTENTS = ["Hello", "Who are you?", "  blanks  ", "line\nline\n\n", "日本語 👍", "<|eot_id|> </s> <s> [INST]", "\u3000x\u0085", "\n",
            "It's \"quoted\" & <b>bold</b>", "", "é ß ŉ İ", "<think>\nhm\n</think>\n\nanswer", "a</think>b", "{{ x }} {% raw %}",
            "/no_think", "json: {\"a\": [1, 2.50, null]}", "x\\y\tz"]
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "The weather – of a place.\nSecond line.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Its name"}, "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        "days": {"type": "array", "items": {"type": "integer"}}, "where": {"type": ["string", "null"], "description": "x"},
        "deep": {"type": "object", "properties": {"n": {"type": "number", "minimum": 0.5}}, "required": ["n"]}},
        "required": ["city"]}}},
    {"type": "function", "function": {"name": "now", "description": "Time", "parameters": {"type": "object", "properties": {}},
                                      "return": {"type": "string", "description": "hh:mm"}}}]
CALLS = [{"city": "Zürich", "days": [1, 2], "unit": None, "ok": True, "x": 1e-7}, {}, {"q": "a \"b\"\n<c>", "n": 10.0, "deep": {"n": {}}}]


class Day(datetime.datetime):
    """strftime_now always tells the day that render_chat tells."""
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 12)


def parts(rng, text, media):
    out = [{"type": "text", "text": text}]
    if rng.random() < 0.3:
        out.append({"type": "text", "text": rng.choice(CONTENTS)})
    if media and rng.random() < 0.5:
        out.insert(rng.randrange(2), {"type": rng.choice(["image", "video", "audio", "image_url"])})
    return out


def call(rng, number, as_text):
    arguments = rng.choice(CALLS)
    return {"type": "function", "id": f"call{number:05}", "function": {
        "name": rng.choice(["get_weather", "now"]), "arguments": json.dumps(arguments) if as_text else arguments}}


def conversation(rng, kind):
    content = lambda: " ".join(rng.choice(CONTENTS) for _ in range(rng.randrange(1, 3)))
    say = (lambda: parts(rng, content(), kind == "media")) if kind in ("parts", "media") else content
    messages = [{"role": "system", "content": say()}] if rng.random() < 0.5 else []
    for turn in range(rng.randrange(1, 4)):
        messages.append({"role": "user", "content": say()})
        if kind == "tools":
            calls = [call(rng, turn * 10 + k, rng.random() < 0.3) for k in range(rng.randrange(1, 3))]
            messages.append({"role": "assistant", "content": rng.choice([None, "", content()]), "tool_calls": calls})
            if rng.random() < 0.3:
                del messages[-1]["content"]
            for one in calls:
                messages.append({"role": "tool", "name": one["function"]["name"], "tool_call_id": one["id"],
                                 "content": rng.choice([content(), json.dumps({"temp": 21.5}), {"temp": 21.5}])})
        messages.append({"role": "assistant", "content": say()})
        if kind == "reasoning":
            messages[-1][rng.choice(["reasoning_content", "thinking", "reasoning"])] = content()
    if rng.random() < 0.5:
        messages.pop()
    if kind == "disorder":
        rng.shuffle(messages)
        if rng.random() < 0.5:
            messages[rng.randrange(len(messages))]["role"] = rng.choice(["tool", "developer", "function", "ipython", "human", "System"])
    return messages


def cases(special, count=120):
    rng = random.Random(11)
    kinds = ["plain", "plain", "tools", "parts", "media", "reasoning", "disorder", "plain"]
    for i in range(count):
        kind = kinds[i % len(kinds)]
        case = {"messages": conversation(rng, kind), "generation_prompt": rng.random() < 0.5, "plain": True, "date": "",
                "bos": special.get("bos_token") or "", "eos": special.get("eos_token") or ""}
        if (kind == "tools" and rng.random() < 0.8) or rng.random() < 0.1:
            case["tools"] = TOOLS[:rng.randrange(1, 3)]
        if rng.random() < 0.2:
            case["variables"] = rng.choice([{"enable_thinking": False}, {"enable_thinking": True}, {"date_string": "1 Jan 2030"}])
        yield case


def expected(template, case):
    chat = chat_template_utils._normalize_chat_messages(case["messages"])
    rendered, _ = chat_template_utils.render_jinja_template(
        [chat], tools=case.get("tools"), chat_template=template, add_generation_prompt=case["generation_prompt"],
        **{"bos_token": case["bos"], "eos_token": case["eos"], **case.get("variables", {})})
    return rendered[0]


def check(build, path, totals):
    template = open(path, newline="").read()
    with open(path.removesuffix(".jinja") + ".json") as file:
        special = json.load(file)
    all_cases = list(cases(special))
    lines = subprocess.run([f"{build}/bin/render_chat", path], input="\n".join(map(json.dumps, all_cases)) + "\n",
                           stdout=subprocess.PIPE, check=True, text=True).stdout.split("\n")[:-1]
    answers = [json.loads(line) for line in lines]
    if len(answers) == 1:
        answers *= len(all_cases)  # the template itself is refused
    wrong = 0
    for case, got in zip(all_cases, answers):
        try:
            text, error = expected(template, case), None
        except Exception as e:  # whatever a template makes Python raise
            text, error = None, f"{type(e).__name__}: {e}"
        totals["rendered" if error is None else "refused"] += 1
        if got.get("text") == text:
            continue
        wrong += 1
        if wrong <= 2:
            print(f"{os.path.basename(path)}: {json.dumps(case, ensure_ascii=False)[:1500]}\n  ours   {json.dumps(got)[:3000]}\n"
                  f"  theirs {json.dumps(text)[:3000]} {error}")
    totals["differ"] += wrong
    return wrong


def main():
    build, folder = sys.argv[1:3]
    chat_template_utils.datetime = Day
    names = sys.argv[3:] or sorted(f.removesuffix(".jinja") for f in os.listdir(folder) if f.endswith(".jinja"))
    totals = {"rendered": 0, "refused": 0, "differ": 0}
    bad = [name for name in names if check(build, f"{folder}/{name}.jinja", totals)]
    print(f"{len(names)} templates, {len(names) - len(bad)} equal: {totals['rendered']} conversations rendered by transformers, "
          f"{totals['refused']} refused, {totals['differ']} differ {' '.join(bad)}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

"""Writes tokenizer_small/ (a small RoBERTa-style vocabulary) and tokenizer_golden.json: what the `tokenizers` package makes
of nasty texts with it. The tests of models/tokenizers compare with these; CI needs no Python.

Usage: python make_tokenizer_golden.py          (in this folder; needs `pip install tokenizers`)

Each variant is tokenizer_small/tokenizer.json with some of its parts replaced (`patch`), and has its own cases.
"""
import copy
import itertools
import json
import os

import tokenizers
from tokenizers import AddedToken, ByteLevelBPETokenizer, Tokenizer, processors

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]

# The text the vocabulary is trained on: the beginning of Jane Austen's Pride and Prejudice (1813) and what it lacks.
TEXT = """It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.
However little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is so
well fixed in the minds of the surrounding families, that he is considered as the rightful property of some one or other
of their daughters. "My dear Mr. Bennet," said his lady to him one day, "have you heard that Netherfield Park is let at
last?" Mr. Bennet replied that he had not. "But it is," returned she; "for Mrs. Long has just been here, and she told me
all about it." Mr. Bennet made no answer. "Do not you want to know who has taken it?" cried his wife impatiently. "You
want to tell me, and I have no objection to hearing it." This was invitation enough. "Why, my dear, you must know, Mrs.
Long says that Netherfield is taken by a young man of large fortune from the north of England; that he came down on
Monday in a chaise and four to see the place, and was so much delighted with it that he agreed with Mr. Morris
immediately; that he is to take possession before Michaelmas, and some of his servants are to be in the house by the end
of next week." "What is his name?" "Bingley." "Is he married or single?" "Oh! single, my dear, to be sure! A single man
of large fortune; four or five thousand a year. What a fine thing for our girls!" "How so? how can it affect them?"
I'm here, you're there, we've seen it, they'll come, he'd go, don't stop, it's 1813 and 2024; 100 000, 3.14 and 1/2.
   four  spaces    and\ttabs\t\tand\r\n\r\nempty lines\n\n\n      indented -- dashes --- and ... dots !!! ??? === ### \n
Übergröße façade naïve Ελληνικά русский язык עברית العربية हिन्दी 日本語の文章 中文句子 한국어 ① ² ½ Ⅷ 👍 👍🏽 👨‍👩‍👧 🇩🇪 e\u0301
"""

NASTY = [
    "", " ", "  ", "\n", "\r\n", "a", " a", "a ", "  a  ", "Hello world", " Hello  world \n", "\t\ta\tb", "a\r\nb\r\n\r\nc",
    "\n\n\n  x", "x \n", "x\n ", " \u3000 x", "\u3000", "x\u3000y", "\u00a0x", "x\u00a0 y", "a\u0085b", "\u0085\u0085a",
    "a\u180eb", " \u180e", "a\u001cb\u001d\u001e\u001fc", "\u000b\u000cx", "a\u2028b\u2029c", "\u200b\u200c\u200d\ufeff", "\u1680x",
    "a\0b", "\0", "\0\0 \0", "I'm you're we've they'll he'd don't it's", "I'M YOU'RE", "'s", " 's", "!'s", "''s", "'S", "'", "''",
    "'l", "'ll", "'r", "'re", "'rex", "x'", "'tis", "1's", "a'b'c", "\u2019s", "d'd'd", "100 000", "3.14", "1a2b3", "x²", "①②", "½",
    "Ⅷ Ⅸ", "٣٤٥", "१२३", "日本語の文章", "中文 句子", "한국어", "Ελληνικά", "עברית", "हिन्दी", "हिन्\u200dदी", "e\u0301", "e\u0301\u0302\u0303 x",
    "\u0301", " \u0301a", "👍", "👍🏽", "👨\u200d👩\u200d👧", "🇩🇪", "x👍y", " 👍 ", "\U0010ffff", "\ue000", "\uffff", "\ufffd",
    "\U0001d400\U0001d7d8", "\U00020000x", "\U000e0001", "a" * 70, "ab" * 700, "x" * 3000, "!" * 200, " " * 200, "\n" * 130 + "a",
    "1" * 150, "é" * 90, "日" * 65, "internationalisation" * 12, "aA1 " * 30, "a-b_c/d\\e", "https://example.org/a?b=c&d=e#f",
    "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<mask", "mask>", "< mask>", "<MASK>", "<s><s>", "<s>x</s>", "a<mask>b", "a <mask> b",
    "a   <mask>   b", "a\u3000\n<mask>\tb", "<mask><mask>", "<mask> <mask>", " <mask>", "<mask> ", "<s> <mask> </s>", "<<s>>",
    "<|endoftext|>", "x<|endoftext|>y", "</s></s>", "<s>\0<s>", "It was<mask>.", "<pad><pad> x", "[CLS] [SEP]",
    b"\x80", b"a\x80b", b"\xff\xfe", b"a\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82x", b"\xf0\x9f\x91", b"\xf0\x9f\x91 x", b"\xed\xa0\x80",
    b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"a\xf0\x80\x80\x80b", b"caf\xe9 noir", b"\x80\x80 <s>\xff",
]

# Texts for variants with added tokens of every kind.
ADDED = ["new", "new york", "newyork", "a new x", "renew", "new-new", " new ", "NEW", "xx", "xxx", "xxxx", "a xx b", "axx b", "xx\u0301",
         "x left y", "x   left   y", "left left", "right  right", "  right  left  ", "bothboth", "a  both  b", "<s>left", "left<mask>",
         "new left right both <mask> xx", "_xx_", "1xx", "xx1", "éxx", "-xx-", "\u200dxx", "xx\u3000left", "\nleft\n", "(new)", "日new",
         "left\u0085", "\u0085left", "right\u00a0x", "new<s>new", "xx xx", "xx<mask>xx", "ⓐxx", "٣xx", "\u203fxx", "²xx", "right right xx"]


def variants(vocab_size):
    added = [{"id": vocab_size + i, "content": c, "single_word": s, "lstrip": l, "rstrip": r, "normalized": n, "special": p}
             for i, (c, s, l, r, n, p) in enumerate([("new", 0, 0, 0, 1, 0), ("new york", 0, 0, 0, 0, 0), ("xx", 1, 0, 0, 0, 0),
                                                     ("xxx", 0, 0, 0, 1, 0), ("left", 0, 1, 0, 1, 1), ("right", 0, 0, 1, 0, 0),
                                                     ("both", 1, 1, 1, 0, 1)])]
    for token in added:
        token.update({key: bool(token[key]) for key in ("single_word", "lstrip", "rstrip", "normalized", "special")})
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    piece = lambda name, kind="Sequence": {kind: {"id": name, "type_id": 0}}
    special = lambda name, ids: {"id": name, "ids": ids, "tokens": [name] * len(ids)}
    template = {"type": "TemplateProcessing", "single": [piece("<s>", "SpecialToken"), piece("A"), piece("</s>", "SpecialToken")],
                "pair": [piece("A"), piece("</s>", "SpecialToken"), piece("B"), piece("two", "SpecialToken")],
                "special_tokens": {"<s>": special("<s>", [0]), "</s>": special("</s>", [2]), "two": special("two", [2, 2])}}
    yield "plain", {}, NASTY
    yield "added tokens", {"added_tokens": added}, ADDED
    yield "prefix space", {"pre_tokenizer": {**byte_level, "add_prefix_space": True}}, NASTY[:110:2] + NASTY[110:]
    yield "no regex", {"pre_tokenizer": {**byte_level, "use_regex": False}}, NASTY[::3] + ["of the man in the fortune" * 5]
    yield "ignore_merges", {"model": {"ignore_merges": True}}, NASTY[::4] + ["possession of fortune"]
    yield "template", {"post_processor": template}, ["Hello world"]
    yield "byte level template", {"post_processor": {**byte_level, "trim_offsets": False}}, ["Hello world"]
    yield "sequence template", {"post_processor": {"type": "Sequence", "processors": [byte_level, template]}}, ["Hello"]


def patched(base, patch):
    out = copy.deepcopy(base)
    for key, value in patch.items():
        if key == "added_tokens":
            out[key] += value
        elif key == "model":
            out[key].update(value)
        else:
            out[key] = value
    return out


def hexed(text):
    return (text if isinstance(text, bytes) else text.encode()).hex()


def cases_of(tokenizer, texts):
    for text in texts:
        seen = text.decode(errors="replace") if isinstance(text, bytes) else text
        case = {"text": hexed(text)}
        for key, parse in (("ids", True), ("text_ids", False)):
            tokenizer.encode_special_tokens = not parse
            case[key] = tokenizer.encode(seen, add_special_tokens=False).ids
        case["decoded"] = tokenizer.decode(case["ids"], skip_special_tokens=True)
        case["decoded_all"] = tokenizer.decode(case["ids"], skip_special_tokens=False)
        yield case


def inputs_of(tokenizer):
    """Truncation: every small pair of lengths around every small limit. The text of n ids is n newlines, each a piece."""
    word = lambda n: "\n" * n
    tokenizer.encode_special_tokens = False
    for a, b in itertools.product((0, 1, 2, 3, 5, 8), (None, 0, 1, 2, 4, 7, 8)):
        extra = tokenizer.num_special_tokens_to_add(b is not None)
        for limit in (extra, extra + 1, extra + 2, extra + 3, extra + 4, extra + 7, extra + 9, 0):
            if limit:
                tokenizer.enable_truncation(limit, strategy="longest_first")
            else:
                tokenizer.no_truncation()
            ids = tokenizer.encode(word(a), None if b is None else word(b)).ids
            yield [a, -1 if b is None else b, limit, ids]
    tokenizer.no_truncation()


def undecodable(tokenizer):
    """Decoding of any ids: most are not whole characters."""
    for first in range(3, 300, 7):
        ids = [first, (first * 31) % 500, (first * 17) % 500, 9999, 2, (first * 3) % 500]
        yield [ids, tokenizer.decode(ids, skip_special_tokens=False)]


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    small = f"{folder}/tokenizer_small"
    os.makedirs(small, exist_ok=True)
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(TEXT.splitlines(keepends=True), vocab_size=600, min_frequency=2, special_tokens=SPECIALS[:5],
                                show_progress=False)
    trainer.save_model(small)
    vocab = trainer.get_vocab()
    tokenizer = trainer._tokenizer
    tokenizer.add_special_tokens([AddedToken(t, lstrip=t == "<mask>", special=True) for t in SPECIALS[:5]])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", vocab["</s>"]), ("<s>", vocab["<s>"]), True, False)
    tokenizer.save(f"{small}/tokenizer.json", pretty=False)
    base = json.loads(tokenizer.to_str())
    out = {"written_by": f"tokenizers {tokenizers.__version__}", "train_text": TEXT, "variants": []}
    for name, patch, texts in variants(len(base["model"]["vocab"])):
        variant = Tokenizer.from_str(json.dumps(patched(base, patch)))
        out["variants"].append({"name": name, "patch": patch, "cases": list(cases_of(variant, texts)),
                                "inputs": list(inputs_of(variant)) if name in ("plain", "template") else [],
                                "pair": variant.encode("Hello", "world").ids, "single": variant.encode("Hello").ids})
    out["undecodable"] = list(undecodable(Tokenizer.from_str(json.dumps(base))))
    with open(f"{folder}/tokenizer_golden.json", "w") as file:
        json.dump(out, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()

"""Compares Lowland's tokenizers with the `tokenizers` package on real files: ids, pairs, and decoding. Not part of CI.

Usage: python check_tokenizer_census.py BUILD PATH... [--texts 500] [--show 2]
  BUILD   a build folder (its bin/tokenize_lines is run)
  PATH    a tokenizer.json, a folder with one, a .tar.gz of such a folder, or a folder of these
Needs tokenizers. Each tokenizer gets the same texts: many scripts, emoji, control characters, runs of blanks, its own
added tokens among text, and pieces of its vocabulary. Ends with exit code 1 if anything differs.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import tarfile
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer

SCRIPTS = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x400), (0x400, 0x500), (0x530, 0x590), (0x590, 0x700),
           (0x900, 0xA00), (0xA00, 0xE00), (0xE00, 0xF00), (0x1000, 0x1100), (0x10A0, 0x1200), (0x1E00, 0x2000),
           (0x2000, 0x2070), (0x2070, 0x2300), (0x2460, 0x2600), (0x2600, 0x27C0), (0x3000, 0x3100), (0x3100, 0x3400),
           (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0xFB00), (0xFB00, 0xFE00), (0xFE00, 0xFE70), (0xFE70, 0x10000),
           (0x10000, 0x10200), (0x1D400, 0x1D800), (0x1F1E6, 0x1F200), (0x1F300, 0x1F700), (0x20000, 0x20400)]
SENTENCES = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune must be in want of a wife.",
    "I'm sure you'll see they've done what she'd asked; isn't it? DON'T SHOUT, WE'RE HERE.",
    "def f(x):\n\treturn {k: v ** 2 for k, v in x.items()}  # squares\n\n\nprint(f({'a': 1_000}))\r\n",
    "Übergrößenträger naïve façade, ﬁnd ﬂight; \u0130stanbul ı İ ß ẞ Å e\u0301 \u1e9b\u0323 ½ ① Ⅷ ™",
    "Москва слезам не верит. Ελληνικά και ΣΊΣΥΦΟΣ. עברית, العربية ١٢٣ فارسی",
    "日本語の文章と漢字、カタカナ。ﾊﾝｶｸ か\u3099 "
    "中文句子，没有空格！ 한국어 문장 \u1112\u1161\u11ab",
    "हिन्दी में \u0915\u094d\u0937 தமிழ் ไทยไม่มีช่องว่าง "
    "မြန်မာ ქართული հայերեն አማርኛ",
    "👍 👍🏽 👨‍👩‍👧 🇩🇪🇫🇷 ❤️ ☎ x👍y 1️⃣",
    "  two  spaces\t\ttabs \u00a0\u2003\u3000wide \u200b\u200c\u200d\ufeff zero ",
    "\x00\x01\x07\x0b\x0c\x1c\x1d\x1e\x1f\x7f\x80\x85\x9f \x0e a\x0fb", "\n\n\n \n x \r\r\n y\u2028z\u2029", "▁a ▁▁ b▁",
    "1234567890 3.14159 1,000,000 2024-12-31 0x1F",
    "https://example.org/a/b?c=d&e=%20#f user@example.com C:\\dir\\file.txt", "a" * 130, "ab" * 70, "!?" * 60, "é" * 70, " " * 90,
    "\u0301\u0302\u0303",
    "<0x41><0x0A> <s></s><unk> [CLS] [SEP] [MASK] <pad> <|endoftext|> <|im_start|>user", "", " ", "\n", "x",
    "Ａｂｃ１２３ ｱｲｳ ﷺ ㎏ ㌔ ²³",
]


def make_texts(tokenizer, count, seed):
    rng = random.Random(seed)
    added = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
    pieces = sorted(tokenizer.get_vocab())

    def part():
        kind = rng.randrange(8)
        if kind == 0:
            words = rng.choice(SENTENCES).split(" ")
            at = rng.randrange(len(words))
            return " ".join(words[at:at + rng.randrange(1, 9)])
        if kind == 1 and added:
            return rng.choice(("", " ", "  ", "x", "\n")) + rng.choice(added) + rng.choice(("", " ", "y", "\t"))
        if kind == 2:
            return rng.choice(pieces)
        if kind == 3:
            return "".join(rng.choice(" \t\n\r\u00a0\u3000\u2009\u0085") for _ in range(rng.randrange(1, 6)))
        if kind == 4:
            return "".join(chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)))) for _ in range(rng.randrange(1, 5)))
        low, high = rng.choice(SCRIPTS)
        return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 12)))

    texts = list(SENTENCES)
    while len(texts) < count:
        texts.append(rng.choice(("", " ", "")).join(part() for _ in range(rng.randrange(1, 9))))
    return texts[:count]


def run(build, folder, options, data):
    out = subprocess.run([f"{build}/bin/tokenize_lines", folder, *options], input=data, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=False)
    if out.returncode:
        raise RuntimeError(out.stderr.decode().strip())
    return out.stdout


def records(texts):
    return b"".join(struct.pack("<I", len(t)) + t for t in (text.encode() for text in texts))


def ids_of(build, folder, texts, options):
    lines = run(build, folder, options, records(texts)).decode().split("\n")[:-1]
    return [[int(i) for i in line.split()] for line in lines]


def texts_of(build, folder, id_lists, options):
    data = "".join(" ".join(map(str, ids)) + "\n" for ids in id_lists).encode()
    out, at, texts = run(build, folder, ["--decode", *options], data), 0, []
    while at < len(out):
        size = struct.unpack_from("<I", out, at)[0]
        texts.append(out[at + 4:at + 4 + size].decode())
        at += 4 + size
    return texts


def check(name, build, folder, show, count):
    judge = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    judge.no_truncation()
    judge.no_padding()
    texts, pairs = make_texts(judge, count, 1), make_texts(judge, count, 2)
    wrong = {}

    def compare(what, got, expected, shown):
        bad = [i for i, (a, b) in enumerate(zip(got, expected, strict=True)) if a != b]
        wrong[what] = len(bad)
        for i in bad[:show]:
            print(f"   {what}: {shown[i]!r:.300}\n      ours   {got[i]!r:.400}\n      theirs {expected[i]!r:.400}")

    def theirs(encode):
        out = []
        for text in encode:
            try:
                out.append(judge.encode(*text, add_special_tokens=len(text) > 1).ids)
            except Exception:  # an unknown character and no unknown token
                out.append(None)
        return out

    try:
        for parse in (True, False):
            judge.encode_special_tokens = not parse
            expected = theirs([(t,) for t in texts])
            keep = [i for i, ids in enumerate(expected) if ids is not None]
            shown = [texts[i] for i in keep]
            compare("specials" if parse else "as text", ids_of(build, folder, shown, ["--special"] if parse else []),
                    [expected[i] for i in keep], shown)
        judge.encode_special_tokens = False
        expected = theirs(list(zip(texts, pairs)))
        keep = [i for i, ids in enumerate(expected) if ids is not None]
        both = [(texts[i], pairs[i]) for i in keep]
        flat = [t for pair in both for t in pair]
        compare("pairs", ids_of(build, folder, flat, ["--pairs", "--special"]), [expected[i] for i in keep], both)
        rng = random.Random(3)
        size = max(judge.get_vocab().values()) + 1
        lists = [expected[i] for i in keep] + [[rng.randrange(size + 3) for _ in range(rng.randrange(1, 30))] for _ in range(count)]
        for skip in (True, False):
            compare("decoded" if skip else "decoded whole", texts_of(build, folder, lists, [] if skip else ["--special"]),
                    judge.decode_batch(lists, skip_special_tokens=skip), lists)
    except RuntimeError as error:
        print(f"{name:24} REFUSED {error}")
        return 1
    print(f"{name:24} {len(texts)} texts, {len(lists)} lists of ids: " + ", ".join(f"{k} {v}" for k, v in wrong.items()), flush=True)
    return sum(wrong.values())


def folders(path, scratch):
    if path.endswith(".tar.gz"):
        folder = os.path.join(scratch, os.path.basename(path)[:-7])
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
        yield from folders(folder, scratch)
    elif path.endswith("tokenizer.json"):
        yield os.path.basename(os.path.dirname(path)), os.path.dirname(path) or "."
    elif os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            inner = os.path.join(path, name)
            if name == "tokenizer.json" or name.endswith(".tar.gz") or os.path.isdir(inner):
                yield from folders(inner, scratch)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--show", type=int, default=2)
    args = parser.parse_args()
    wrong = count = 0
    with tempfile.TemporaryDirectory() as scratch:
        for path in args.paths:
            for name, folder in folders(path, scratch):
                wrong += check(name, args.build, folder, args.show, args.texts)
                count += 1
    print(f"{count} tokenizers, {wrong} differences in all")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

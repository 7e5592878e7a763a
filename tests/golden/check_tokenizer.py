"""Compares Lowland's tokenizer with the `tokenizers` package on real text: equal ids, and speed. Not part of CI.

Usage: python check_tokenizer.py BUILD SHARED [--lines 10000] [--kinds] [--speed] [--train]
  BUILD   a build folder (its bin/tokenize_lines, bin/tokenizer_bench and bin/train_vocabulary are run)
  SHARED  a folder with data/tokenizers/{roberta,gpt2,llama2,llama3}, data/glue/{SST-2,RTE}, data/text/wikitext-2 and
          data/text/classic-books.tar.gz
  --kinds only the kinds of tokenizer_kinds.py, against sentencepiece and tiktoken as well, decoding included
  --speed also times both on one thread, in turn;  --train also compares training and what transformers then reads
Needs tokenizers and transformers; --kinds also sentencepiece, tiktoken and protobuf. Ends with exit code 1 if any ids differ.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import tokenizers
from tokenizers import AddedToken, ByteLevelBPETokenizer, Tokenizer

from make_tokenizer_golden import NASTY, SPECIALS

NASTY_BYTES = [text if isinstance(text, bytes) else text.encode() for text in NASTY]


def random_texts(count, seed=1):
    """Strings of characters from everywhere, with the ones that matter to the expression more often."""
    rng = random.Random(seed)
    common = "  \n\t\r'''sdmtrevl ABc019.,!-\u0085\u00a0\u3000\u200d\u0301\U0001f600"
    for _ in range(count):
        size = rng.choice((3, 10, 40))
        yield bytes(rng.randrange(256) for _ in range(size)) if rng.random() < 0.1 else "".join(
            rng.choice(common) if rng.random() < 0.7 else
            chr(rng.choice((rng.randrange(0xD800), rng.randrange(0x3000), rng.randrange(0xE000, 0x110000))))
            for _ in range(size)).encode()


def records(texts):
    return b"".join(struct.pack("<I", len(t)) + t for t in texts)


def ours(build, folder, texts, special):
    command = [f"{build}/bin/tokenize_lines", folder] + (["--special"] if special else [])
    out = subprocess.run(command, input=records(texts), stdout=subprocess.PIPE, check=True).stdout.decode()
    return [[int(i) for i in line.split()] for line in out.split("\n")[:-1]]


def ours_decoded(build, folder, id_lists):
    """Decoded one id at a time, special tokens left out."""
    command = [f"{build}/bin/tokenize_lines", folder, "--decode"]
    lines = "".join(" ".join(map(str, ids)) + "\n" for ids in id_lists).encode()
    out, at, texts = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True).stdout, 0, []
    while at < len(out):
        size = struct.unpack_from("<I", out, at)[0]
        texts.append(out[at + 4:at + 4 + size].decode())
        at += 4 + size
    return texts


def compare(name, build, folder, theirs, texts):
    worst = 0
    assert texts, name
    for special in (False, True):
        theirs.encode_special_tokens = not special
        expected = [e.ids for e in theirs.encode_batch([t.decode(errors="replace") for t in texts],
                                                       add_special_tokens=False)]
        got = ours(build, folder, texts, special)
        assert len(got) == len(expected)
        wrong = [i for i, (a, b) in enumerate(zip(got, expected)) if a != b]
        print(f"{name:32} {'specials parsed' if special else 'specials as text':17} {len(texts):7} texts "
              f"{sum(map(len, expected)):9} ids {len(wrong)} differences", flush=True)
        for i in wrong[:3]:
            print("   text", texts[i][:200], "\n   ours", got[i][:30], "\n   theirs", expected[i][:30])
        worst += len(wrong)
    return worst


def book_lines(shared):
    with tarfile.open(f"{shared}/data/text/classic-books.tar.gz") as tar:
        for member in tar:
            if member.isfile():
                yield from tar.extractfile(member).read().splitlines(keepends=True)


def sample(lines, count):
    lines = [line for line in lines if line.strip()]
    return lines if len(lines) <= count else random.Random(0).sample(lines, count)


def load(folder, names=("vocab.json", "merges.txt")):
    tokenizer = ByteLevelBPETokenizer(f"{folder}/{names[0]}", f"{folder}/{names[1]}")
    vocab = tokenizer.get_vocab()
    tokenizer.add_special_tokens([AddedToken(t, lstrip=t == "<mask>", special=True) for t in SPECIALS if t in vocab])
    return tokenizer._tokenizer


def speed(build, shared, folder, theirs, turns=2, hows=("encode", "encode_batch", "encode_batch_fast")):
    books = b"".join(book_lines(shared)).decode()
    documents, at = [], 0
    while at < len(books):
        end = books.find("\n", min(at + 400_000, len(books) - 1)) + 1 or len(books)
        documents.append(books[at:end])
        at = end
    theirs.encode_special_tokens = True
    lines = books.splitlines(keepends=True)
    for turn in range(turns):
        subprocess.run([f"{build}/bin/tokenizer_bench", folder, f"{shared}/data/text/classic-books.tar.gz"], check=True)
        for name, texts in (("documents", documents), ("lines", lines)):
            for how in hows:
                start = time.perf_counter()
                if how == "encode":
                    n = sum(len(theirs.encode(t, add_special_tokens=False)) for t in texts)
                else:
                    n = sum(map(len, getattr(theirs, how)(texts, add_special_tokens=False)))
                seconds = time.perf_counter() - start
                print(f"tokenizers {tokenizers.__version__} {name} {how}: {n} tokens {seconds:.2f} s "
                      f"{n / seconds / 1e6:.2f} M tokens/s", flush=True)


def random_ids(size, count, seed=7):
    rng = random.Random(seed)
    few = [rng.randrange(min(size, 400)) for _ in range(60)]  # byte pieces often beside each other
    for _ in range(count):
        yield [rng.choice(few) if rng.random() < 0.6 else rng.randrange(size) for _ in range(rng.randrange(1, 30))]


def every_character():
    """Each character of the planes in use, alone, between marks that compose or change places, and behind an apostrophe."""
    codes = [c for c in (*range(0xD800), *range(0xE000, 0x32400), *range(0xE0000, 0xE0200))]
    for i in range(0, len(codes), 8):
        yield " ".join(f"{c}a{c}1{c} {c}{c}\ne{c}\u0301e\u0316{c}{c}\u3099'{c}" for c in map(chr, codes[i:i + 8])).encode()


def all_kinds(build, shared, count, with_speed):
    import sentencepiece
    import tiktoken
    import tokenizer_kinds
    from make_llama_tokenizer_golden import QWEN_TEXTS, SP_TEXTS
    tokenizers_folder = f"{shared}/data/tokenizers"
    sentences = [line for line in open(f"{shared}/data/glue/SST-2/train.tsv", "rb").read().split(b"\n")]
    wiki = [line for file in sorted(os.listdir(f"{shared}/data/text/wikitext-2"))
            for line in open(f"{shared}/data/text/wikitext-2/{file}", "rb").read().split(b"\n")]
    real = sample(sentences, count // 3) + sample(wiki, count // 3) + sample(book_lines(shared), count - 2 * (count // 3))
    texts = NASTY_BYTES + [t.encode() for t in QWEN_TEXTS + SP_TEXTS] + real + list(random_texts(3000))
    wrong, everything = 0, list(every_character())
    with tempfile.TemporaryDirectory() as tmp:
        for name, folder, judge in tokenizer_kinds.build(tokenizers_folder, tmp):
            wrong += compare(name, build, folder, judge, texts + (everything if name in ("qwen2", "llama3", "llama2 prepend") else []))
            judge.encode_special_tokens = False
            ids = list(random_ids(judge.get_vocab_size(), 3000)) + [judge.encode(t.decode(errors="replace")).ids for t in real[::10]]
            bad = sum(a != b for a, b in zip(ours_decoded(build, folder, ids), judge.decode_batch(ids), strict=True))
            print(f"{name:32} decoded id by id {len(ids)} lists of ids {bad} differences")
            wrong += bad
            if with_speed:
                speed(build, shared, folder, judge, turns=1, hows=("encode_batch_fast",))
    shown = [t.decode(errors="replace") for t in texts]
    model = sentencepiece.SentencePieceProcessor(model_file=f"{tokenizers_folder}/llama2/tokenizer.model")
    wrong += against("sentencepiece", ours(build, f"{tokenizers_folder}/llama2/tokenizer.model", texts, False), model.encode(shown))
    path = f"{tokenizers_folder}/llama3/tokenizer.model"
    specials = {t: 128000 + i for i, t in enumerate(tokenizer_kinds.llama3_specials())}
    encoding = tiktoken.Encoding("llama3", pat_str=tokenizer_kinds.LLAMA3, special_tokens=specials,
                                 mergeable_ranks=tiktoken.load.load_tiktoken_bpe(path))
    wrong += against("tiktoken", ours(build, path, texts, True), [encoding.encode(t, allowed_special="all") for t in shown])
    return wrong


def against(name, got, expected):
    bad = sum(a != b for a, b in zip(got, expected, strict=True))
    print(f"{name:32} {len(got):7} texts {sum(map(len, expected)):9} ids {bad} differences", flush=True)
    return bad


def training(build, shared):
    from transformers import AutoTokenizer
    wrong = 0
    lines = list(book_lines(shared))
    with tempfile.TemporaryDirectory() as tmp:
        text = f"{tmp}/text.txt"
        with open(text, "wb") as out:
            out.write(b"".join(lines[:80_000]))
        print(f"training on {os.path.getsize(text)} bytes")
        start = time.perf_counter()
        subprocess.run([f"{build}/bin/train_vocabulary", f"{tmp}/ours", "8000", text], check=True)
        middle = time.perf_counter()
        theirs = ByteLevelBPETokenizer()
        theirs.train([text], vocab_size=8000, min_frequency=2, special_tokens=SPECIALS[:5], show_progress=False)
        print(f"ours {middle - start:.2f} s, tokenizers {time.perf_counter() - middle:.2f} s")
        os.makedirs(f"{tmp}/theirs")
        theirs.save_model(f"{tmp}/theirs")
        for name in ("vocab.json", "merges.txt"):
            import json
            a, b = ((json.load(open(f"{tmp}/{who}/{name}")) if name == "vocab.json" else
                     open(f"{tmp}/{who}/{name}").read()) for who in ("ours", "theirs"))
            print(f"{name} of ours and theirs {'equal' if a == b else 'DIFFER'}")
            wrong += a != b
        hugging = AutoTokenizer.from_pretrained(f"{tmp}/ours")
        print("transformers reads it as", type(hugging).__name__, "max length", hugging.model_max_length)
        wrong += compare("trained, as transformers reads it", build, f"{tmp}/ours", hugging.backend_tokenizer,
                         NASTY_BYTES + sample(lines, 3000))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("shared")
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--kinds", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--train", action="store_true")
    args = parser.parse_args()
    if args.kinds:
        wrong = all_kinds(args.build, args.shared, args.lines, args.speed)
        print(f"{wrong} differences in all")
        sys.exit(1 if wrong else 0)
    roberta, gpt2 = (f"{args.shared}/data/tokenizers/{name}" for name in ("roberta", "gpt2"))
    theirs, glue = load(roberta), f"{args.shared}/data/glue"
    wrong = compare("nasty strings", args.build, roberta, theirs, NASTY_BYTES)
    wrong += compare("random strings", args.build, roberta, theirs, list(random_texts(20_000)))
    for task in ("SST-2", "RTE"):
        lines = [line for split in ("train", "dev", "test")
                 for line in open(f"{glue}/{task}/{split}.tsv", "rb").read().split(b"\n")]
        sentences = [field for line in lines for field in line.split(b"\t") if b" " in field]
        wrong += compare(task + " lines", args.build, roberta, theirs, sample(lines, args.lines))
        wrong += compare(task + " sentences", args.build, roberta, theirs, sample(sentences, args.lines))
    books = sample(book_lines(args.shared), args.lines)
    wrong += compare("classic-books", args.build, roberta, theirs, books)
    wrong += compare("gpt2 tokenizer.json", args.build, gpt2, Tokenizer.from_file(f"{gpt2}/tokenizer.json"),
                     NASTY_BYTES + books)
    if args.train:
        wrong += training(args.build, args.shared)
    if args.speed:
        speed(args.build, args.shared, roberta, theirs)
    print(f"{wrong} differences in all")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

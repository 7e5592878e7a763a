"""make_lengths.py DATA: lengths of real texts in tokens, as tests/engine/graph_share_test.cpp replays them.

DATA holds glue/RTE and glue/QNLI, e2e, text/classic-books.tar.gz and tokenizers/gpt2 as they are published. Writes
lengths.json: `rte` whole pairs with RoBERTa's four special tokens; of the others [prompt, completion]: E2E's records and
their sentences, QNLI's questions and sentences, and paragraphs of books, the first sentence being the prompt.
"""
import json
import pathlib
import random
import re
import sys
import tarfile

from tokenizers import Tokenizer

data = pathlib.Path(sys.argv[1])
tokenizer = Tokenizer.from_file(str(data / "tokenizers/gpt2/tokenizer.json"))
length = lambda text: len(tokenizer.encode(text).ids)


def rows(name):
    lines = (data / "glue" / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


def some(pairs, n=1536):
    """Pairs of lengths that fit 1,024 tokens, in the order of a shuffled file."""
    pairs = [p for p in pairs if sum(p) <= 1024]
    random.Random(1).shuffle(pairs)
    return pairs[:n]


rte = [length(a) + length(b) + 4 for _, a, b, _ in rows("RTE/train.tsv")]
e2e = [line.split("||") for line in (data / "e2e/train.txt").read_text(encoding="utf-8").splitlines()[::9]]
books = []
with tarfile.open(data / "text/classic-books.tar.gz") as archive:
    for member in archive.getmembers()[:40]:
        if member.isfile():
            text = archive.extractfile(member).read().decode("utf-8")
            for paragraph in re.split(r"\n\s*\n", text)[5:105]:
                first, _, rest = " ".join(paragraph.split()).partition(". ")
                if rest:
                    books.append((length(first), length(rest)))
random.Random(1).shuffle(rte)
found = {
    "rte": rte[:1536],
    "e2e": some([(length(a), length(b) + 1) for a, b in e2e]),
    "qnli": some([(length(q), length(s) + 1) for _, q, s, *_ in rows("QNLI/dev.tsv")]),
    "books": some(books),
}
out = pathlib.Path(__file__).with_name("lengths.json")
out.write_text(json.dumps(found, separators=(",", ":")).replace('],"', '],\n"') + "\n", encoding="utf-8")
print({name: len(values) for name, values in found.items()}, out.stat().st_size, "bytes")

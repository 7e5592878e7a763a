#!/usr/bin/env python3
"""Writes e2e_scores.json: what texts that have several references score, by the reference implementations.

    python3 tests/golden/make_e2e_golden.py [FOLDER OF E2E]     (nltk, pycocoevalcap, sacrebleu, numpy, java)

bleu and nist are the definitions of e2e-metrics (https://github.com/tuetschek/e2e-metrics, pymteval), written out below;
bleu is held against sacrebleu. meteor is METEOR 1.5's, of the program in Java that pycocoevalcap brings, with its
modules exact and stem on words that are cut already; rouge_l and cider are pycocoevalcap's. FOLDER has
testset_w_refs.csv: its scores are those of texts made of its references by the rule of made_up(). Stems are of its
words, by nltk's SnowballStemmer.
"""
import csv
import importlib.metadata
import json
import math
import pathlib
import subprocess
import sys
from collections import Counter

import sacrebleu
import pycocoevalcap.meteor
from nltk.stem.snowball import SnowballStemmer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

SIGNS = set("\" ' ` . ? ! , : - -- ... ; ( ) { }".split(" "))
cut = Tokenizer13a()


def meteor(texts):
    jar = pathlib.Path(list(pycocoevalcap.meteor.__path__)[0]) / "meteor-1.5.jar"
    program = subprocess.Popen(["java", "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-m", "exact stem"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(*parts):
        program.stdin.write(" ||| ".join(parts) + "\n")
        program.stdin.flush()
        return program.stdout.readline().strip()
    counts = [ask("SCORE", *(" ".join(r) for r in references), " ".join(words)) for words, references in texts]
    ask("EVAL", *counts)  # gives a line for each text
    scores = [program.stdout.readline() for _ in texts]
    program.kill()
    return float(scores[-1])


def words_of(text):
    return cut(text).lower().split() or [""]


def grams(words, n):
    return Counter(tuple(words[i:i + n]) for i in range(len(words) - n + 1))


def most_of(references, n):
    out = Counter()
    for r in references:
        out |= grams(r, n)
    return out


def bleu(texts):
    right, there, wanted = [0] * 4, [0] * 4, 0
    for words, references in texts:
        for n in range(4):
            right[n] += sum((grams(words, n + 1) & most_of(references, n + 1)).values())
            there[n] += len(words) - n
        wanted += min((abs(len(r) - len(words)), len(r)) for r in references)[1]
    brevity = 1 if there[0] > wanted else math.exp(1 - wanted / there[0])
    return 100 * brevity * math.exp(sum(math.log(max(r, 1e-15) / max(t, 1e-9)) for r, t in zip(right, there)) / 4)


def nist(texts):
    counts = [Counter() for _ in range(6)]
    for _, references in texts:
        for r in references:
            counts[0][()] += len(r)
            for n in range(1, 6):
                counts[n] += grams(r, n)
    score = 0
    for n in range(1, 6):
        total, information = 0, 0
        for words, references in texts:
            total += len(words) - n + 1
            for gram, hits in (grams(words, n) & most_of(references, n)).items():
                information += hits * math.log2(counts[n - 1][gram[:-1]] / counts[n][gram])
        score += information / (total or 1)
    ratio = sum(len(w) for w, _ in texts) / sum(sum(map(len, r)) / len(r) for _, r in texts)
    beta = -math.log(0.5) / math.log(1.5) ** 2
    return score * (1 if ratio >= 1 else math.exp(-beta * math.log(ratio) ** 2))


def scores_of(texts):
    words = [(words_of(t), [words_of(r) for r in references]) for t, references in texts]
    value = bleu(words)
    widest = max(len(r) for _, r in texts)
    streams = [[r[i] if i < len(r) else None for _, r in texts] for i in range(widest)]
    theirs = sacrebleu.corpus_bleu([t for t, _ in texts], streams, lowercase=True, smooth_method="none").score
    long_enough = all(len(t) > 3 for t, _ in words)  # pymteval counts -1 three-grams in a text of one word
    assert abs(theirs - value) < 1e-8 or not long_enough, (theirs, value)

    def plain(w):
        return [x for x in w if x and x not in SIGNS]
    words = [(plain(t), [plain(r) for r in references]) for t, references in words]
    texts_of = {i: [" ".join(t)] for i, (t, _) in enumerate(words)}
    references_of = {i: [" ".join(x) for x in r] for i, (_, r) in enumerate(words)}
    return {"bleu": value, "nist": nist([(words_of(t), [words_of(r) for r in rs]) for t, rs in texts]),
            "meteor": meteor(words), "rouge_l": float(Rouge().compute_score(references_of, texts_of)[0]),
            "cider": float(Cider().compute_score(references_of, texts_of)[0])}


def made_up(references, k):
    """Of the k-th meaning: its reference k, without each word whose place is 3 beyond a multiple of 7."""
    at = k % len(references)
    text = " ".join(w for i, w in enumerate(references[at].split(" ")) if i % 7 != 3)
    return text, references[:at] + references[at + 1:] or references


SMALL = [
    ("Blue Spice is a pub by the river.", ["The Blue Spice pub is near the river.", "By the river is a pub, Blue Spice!"]),
    ("There is no pub.", ["A family-friendly pub called Zizzi serves Italian food for £20-25 (per head)."]),
    ("It's cheap; it's rated 3 out of 5, and kids aren't welcome.",
     ["The rating is 3 out of 5.", "Cheap, rated 3 out of 5, and not kid friendly.", "Its customers rated it 3 of 5."]),
    ("the the the the", ["the café is the café", "THE CAFÉ ISN'T"]),
    ("Cafés \"Aromi\" serving serves served Japanese-style dishes in dish", ["Café 'Aromi' serves a Japanese style dish."]),
    ("", ["Nothing to say."]),
    ("riverside", ["riverside", "Riverside"]),
    ("near Café Sicilia, highly rated and reasonably priced restaurants", ["A high rating and reasonable prices near Café Sicilia"]),
]


def main():
    out = {"versions": {n: importlib.metadata.version(n) for n in ("nltk", "sacrebleu", "pycocoevalcap", "numpy")},
           "small": {"texts": [{"text": t, "references": r} for t, r in SMALL], "scores": scores_of(SMALL)}}
    one = SMALL[2:3]
    out["one"] = {"texts": [{"text": t, "references": r} for t, r in one], "scores": scores_of(one)}
    stemmer = SnowballStemmer("english")
    words = set("skies dying lying tying news innings proceed flies dies tied spied feed agreed plastered bled motoring sing "
                "conflated troubled sized hopping tanned falling hissing fizzed failing filing happy sky enjoy spy "
                "relational conditional rational valenci digitizer conformabli radicalli differentli vileli analogousli "
                "vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti "
                "sensibiliti beautifulli geologi archaeologi triplicate formative formalize electriciti electrical hopeful "
                "goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement "
                "adjustment dependent adoption homologou communism activate angulariti homologous effective bowdlerize "
                "probate rate cease controll roll y by syzygy toy yyyy as 20 3rd o2 caresses ponies ties caress cats gas this gaps "
                "kiwis dies generate generously communist arsenal only early inning exceed exceeds bias cry say youth boy's "
                "it's isn't kids' luxuriated hop hoping bed beds shed shedding bluely agreedly hotly geologist analogi "
                "hopelessli rationally formatively controlling".split())
    if len(sys.argv) > 1:
        by_meaning = {}
        with open(pathlib.Path(sys.argv[1]) / "testset_w_refs.csv", encoding="utf-8") as f:
            for row in csv.DictReader(f):
                by_meaning.setdefault(row["mr"], []).append(row["ref"])
        texts = [made_up(r, k) for k, r in enumerate(by_meaning.values())]
        out["e2e"] = {"meanings": len(texts), "scores": scores_of(texts)}
        common = Counter(w for _, rs in texts for r in rs for w in words_of(r) if w.isalpha() and w.isascii())
        words |= set(w for w, _ in common.most_common(700)[50:])
    out["stems"] = {w: stemmer.stem(w) for w in sorted(words)}
    path = pathlib.Path(__file__).with_name("e2e_scores.json")
    path.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")).replace('"stems"', '\n"stems"') + "\n")
    print(path.name, path.stat().st_size, "bytes", out["versions"], {k: out[k]["scores"] for k in ("small", "one", "e2e") if k in out})


if __name__ == "__main__":
    main()

"""Writes scores.json: what scikit-learn says of classes one by one, and rouge_score and sacrebleu of texts.

    python3 tests/golden/make_scores_golden.py        (needs numpy, scikit-learn, rouge-score, sacrebleu)
"""
import importlib.metadata
import json
import pathlib

import numpy as np
import sacrebleu
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

rng = np.random.default_rng(11)


def report(name, predicted, labels, classes):
    predicted, labels, ids = [int(v) for v in predicted], [int(v) for v in labels], list(range(classes))
    p, r, f, support = precision_recall_fscore_support(labels, predicted, labels=ids, zero_division=0)
    mean = {a: float(precision_recall_fscore_support(labels, predicted, labels=ids, average=a, zero_division=0)[2])
            for a in ("macro", "weighted")}
    return {"name": name, "predicted": predicted, "labels": labels, "classes": classes,
            "precision": p.tolist(), "recall": r.tolist(), "f1": f.tolist(), "support": support.tolist(),
            "macro_f1": mean["macro"], "weighted_f1": mean["weighted"],
            "confusion": confusion_matrix(labels, predicted, labels=ids).tolist()}


def noisy(n, classes, agree):
    labels = rng.integers(0, classes, n)
    return np.where(rng.random(n) < agree, labels, rng.integers(0, classes, n)), labels


reports = [
    report("two classes", *noisy(257, 2, 0.8), 2),
    report("seven classes", *noisy(333, 7, 0.6), 7),
    report("a class nobody predicts", [0, 0, 2, 2, 0], [0, 1, 1, 2, 2], 3),
    report("a class without examples", [0, 1, 3, 3, 0, 1], [0, 1, 0, 1, 0, 0], 4),
    report("all right", [0, 1, 2], [0, 1, 2], 3),
    report("all wrong", [1, 2, 0], [0, 1, 2], 3),
    report("one class predicted", [1] * 9, [0, 1, 2] * 3, 3),
    report("one example", [0], [1], 2),
]



def several(name, predicted, labels):  # indicator matrices (examples, labels)
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    p, r, f, support = precision_recall_fscore_support(labels, predicted, zero_division=0)
    mean = {a: float(f1_score(labels, predicted, average=a, zero_division=0)) for a in ("micro", "macro", "weighted")}
    return {"name": name, "predicted": predicted.tolist(), "labels": labels.tolist(), "precision": p.tolist(),
            "recall": r.tolist(), "f1": f.tolist(), "support": support.tolist(), "micro_f1": mean["micro"],
            "macro_f1": mean["macro"], "weighted_f1": mean["weighted"],
            "subset_accuracy": float(accuracy_score(labels, predicted))}


def bits(seed, n, labels, share):
    return (np.random.default_rng(seed).random((n, labels)) < share).astype(int)


there = bits(12, 97, 5, 0.3)
multi_label = [
    several("five labels", np.where(bits(13, 97, 5, 0.8), there, bits(14, 97, 5, 0.5)), there),
    several("a label nobody has or predicts", [[1, 0, 0], [1, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 0]]),
    several("nothing predicted", [[0, 0], [0, 0]], [[1, 0], [1, 1]]),
    several("nothing there", [[0, 1], [0, 0]], [[0, 0], [0, 0]]),
    several("all right", [[1, 1], [0, 0]], [[1, 1], [0, 0]]),
]

WORDS = ("the a dog cat runs fast. over hills, and 3.14 percent of 1,000 don't stop - 5-6 well-known (yes) \"no\" &amp; "
         "&quot;q&quot; Zürich naïve 你好 über-gut U.S. e.g., a.b 3. .5 x,y 7, ,8 3- -4 -\n - <skipped> % $5 _x_ ~ "
         "\u212aelvin \u0130stanbul \u2026 \u00a0 \u2003 \u2028 \x1c end... !? #tag @me [1] {2} C++ and/or").split(" ")


def text(n):
    return " ".join(rng.choice(WORDS, n))


def near(source):
    words = source.split(" ")
    return " ".join(str(rng.choice(WORDS)) if rng.random() < 0.3 else w for w in words if rng.random() > 0.1)


def corpus(name, texts, wanted):
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    return {"name": name, "texts": texts, "wanted": wanted,
            "rouge_l": [scorer.score(w, t)["rougeL"].fmeasure for t, w in zip(texts, wanted)],
            "bleu": sacrebleu.corpus_bleu(texts, [wanted]).score}


some = [text(int(n)) for n in rng.integers(1, 40, 40)]
corpora = [
    corpus("near", [near(t) for t in some], some),
    corpus("equal", some[:5], some[:5]),
    corpus("unlike", ["one two three four five"], ["six seven eight nine ten"]),
    corpus("no long n-grams", ["the cat sat", "a dog"], ["the cat lay", "a dog ran"]),
    corpus("no four in common", ["the cat sat on a mat today"], ["the cat sat under a mat today"]),
    corpus("short ones, brevity", ["the cat"], ["the cat sat on the mat and slept"]),
    corpus("empty texts", ["", "a b c d e"], ["something", "a b c d e"]),
    corpus("all empty", ["", ""], ["x", "y"]),
    corpus("nothing wanted", ["some words are here now"], [""]),
    corpus("words more often than wanted", ["the the the the the"], ["the cat on the mat"]),
    corpus("blanks at the end", ["a b c d. \n", "e f g h\n\n"], ["a b c d.", "e f g h"]),
    corpus("long", [text(400)], [text(380)]),
]
cut = [{"text": t, "words": Tokenizer13a()(t.rstrip()).split()} for t in
       WORDS + some[:12] + ["", " ", "a.", ".", "..", "1.2.3", "a,b,,c", "1,,2", "-", "1--2", "a-\nb", "1.-2", "é.5", "5.é", "\n.\n"]]

versions = {n: importlib.metadata.version(n) for n in ("numpy", "scikit-learn", "rouge-score", "sacrebleu")}
out = pathlib.Path(__file__).with_name("scores.json")
out.write_text(json.dumps({"versions": versions, "reports": reports, "multi_label": multi_label, "corpora": corpora, "words_13a": cut},
                          separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
print(out.name, out.stat().st_size, "bytes", versions)

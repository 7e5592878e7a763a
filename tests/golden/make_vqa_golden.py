"""Writes vqa_golden.json: what the official VQA evaluation makes of nasty answers. tests/data/answer_scores_test.cpp compares
with it.

Usage: python make_vqa_golden.py VQAEVAL.PY    (in this folder; PythonEvaluationTools/vqaEvaluation/vqaEval.py of
https://github.com/GT-Vision-Lab/VQA, written for Python 2: its print statements are turned into calls first)

"normalised": pairs of texts; "scored": prediction, ten answers, accuracy. Where all ten answers are the same text, the official
code compares it as it stands, without normalisation; such cases are left out.
"""
import json
import os
import random
import re
import sys

TEXTS = [
    "", " ", "yes", "Yes", "YES.", "no!", "a dog", "The Dog", "an apple a day", "one", "Two dogs", "none", "zero", "ten", "eleven",
    "3.5", "3.", ".5", "a.b", "U.S.A.", "1,000", "1,000 dollars!", "yes, no", "yes,no", "black/white", "black / white", "black /white",
    "red-green", "red - green", "(left)", "left (right)", "it's", "its", "isnt", "dont", "don't", "wouldntve", "wouldnt've",
    "couldn'tve", "ill", "I'm", "Im", "yall'll", "somebody'd", "let's", "ow's'at", "o'clock", "5 oclock", "what's", "whats up?",
    "a@b.com", "C++", "c + +", "50%", "$5.00", "#1", "&", "tom & jerry", "new\nline", "tab\there", "  spaced   out  ", "\"quoted\"",
    "'single'", "hot-dog bun", "t-shirt, red", "t-shirt,red", "7:30", "7:30 p.m.", "who?why?", "who? why?", "<b>bold</b>", "a_b", "a _b",
    "back\\slash", "[x]", "{y}", "x=1", "x = 1", "`tick`", "; semi", "semi;colon", "...", "....... 1.", "." * 40, "." * 33 + "5",
    "the", "a", "an the a", "None of the above", "one two three four five six seven eight nine ten", "unanswerable", "Unsuitable image",
    "1,2", "1, 2", "a,1,b", "12,345,678", "twelve,345", "wifi-router; black", "don't-know", "she'd've", "shed've", "shedve",
]


def load(path):
    source = re.sub(r"^(\s*)print (.+)$", r"\1print(\2)", open(path).read(), flags=re.M)
    space = {}
    exec(compile(source, path, "exec"), space)
    return space["VQAEval"]


class Answers:
    def __init__(self, qa):
        self.qa = qa

    def getQuesIds(self):
        return list(self.qa)


def main():
    kind = load(sys.argv[1])
    evaluator = kind(Answers({}), Answers({}), n=12)
    normalised = []
    for text in TEXTS:
        plain = text.replace("\n", " ").replace("\t", " ").strip()
        normalised.append([text, evaluator.processDigitArticle(evaluator.processPunctuation(plain))])
    random.seed(1)
    scored = []
    for _ in range(60):
        few = random.sample(TEXTS, random.randint(2, 4))
        answers = [random.choice(few) for _ in range(10)]
        if len({a.replace("\n", " ").replace("\t", " ").strip() for a in answers}) < 2:
            continue
        predicted = random.choice(few + ["something else"]).upper()
        given = {1: {"answers": [{"answer": a, "answer_id": i} for i, a in enumerate(answers)], "question_type": "", "answer_type": ""}}
        evaluator = kind(Answers(given), Answers({1: {"answer": predicted}}), n=12)
        evaluator.evaluate()
        scored.append([predicted, answers, evaluator.accuracy["overall"] / 100])
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vqa_golden.json")
    with open(path, "w") as file:
        json.dump({"normalised": normalised, "scored": scored}, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()

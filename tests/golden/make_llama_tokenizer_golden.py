"""Writes tokenizer_llama/ (small vocabularies of the kinds that Llama, Mistral and Qwen2 ship) and
llama_tokenizer_golden.json: what tokenizers, sentencepiece, tiktoken and llama2.c's rules make of nasty texts with them.

Usage: python make_llama_tokenizer_golden.py      (in this folder; needs tokenizers, transformers, sentencepiece, tiktoken)

    sp.model, sp.json   sentencepiece BPE with byte pieces, two control symbols and a user-defined one; the same as
                        tokenizer.json. A variant is sp.json or bytes.json with some of its parts replaced.
    bytes.model         tiktoken's lines, from the vocabulary of tokenizer_small;  bytes.json: the same, Llama 3's tokenizer.json
    table.bin           llama2.c's table of such a model without more symbols
"""
import base64
import importlib.metadata
import io
import json
import os
import struct
import tempfile

import sentencepiece
import tiktoken
from tokenizers import Tokenizer

import tokenizer_kinds as kinds
from make_tokenizer_golden import NASTY, TEXT, cases_of, hexed

SP_TEXTS = ["<sep>", "a<sep>b", " <sep> ", "<sep><sep>x", "truth<sep>", "[INST] Hello [/INST] you", "[INST]", "<0x0A>", "<0x41>x", "▁",
            "a▁b", " ▁ a", "▁▁", "Hello <s>.", "<s> Hello", "truth truth [INST]", "that a truth of truth", "<unk>x", "日<s>本"]
QWEN_TEXTS = ["e\u0301", "\u1100\u1161\u11a8x", "a\u0323\u0307 a\u0307\u0323", "\u212b \u2126", "\ufb01", "caf\u0065\u0301 cafe\u0301",
              "\u0958", "\uf900", "\U0001d15e", "\u0b47\u0b3e", "\u1dfa\u0301 e\u1dfa\u0316", "\u0c3c\u0316", "I\u0307\u0301",
              "'\u017f x'\u017f",
              "'S 'RE 'lL don'T'", "\n\n a\r\n\r\nb", " \n \n  c", "123456 ١٢٣٤", "<|im_start|>user\nHello<|im_end|>\n", "<|im_start|>"]


def shown(text):
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def decoded(tokenizer, ids):
    return {"decoded": tokenizer.decode(ids, skip_special_tokens=True), "decoded_all": tokenizer.decode(ids, skip_special_tokens=False)}


def sentencepiece_cases(path, judge, texts):
    """Ids of text are sentencepiece's; with special tokens parsed, and decoding, are the converted tokenizer's."""
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    for text in texts:
        case = {"text": hexed(text), "text_ids": model.encode(shown(text))}
        if "<sep>" not in shown(text):  # a user-defined piece is sentencepiece's business alone
            case["ids"] = judge.encode(shown(text), add_special_tokens=False).ids
            case.update(decoded(judge, case["ids"]))
        yield case


def tiktoken_cases(path, count, judge, texts):
    ranks = tiktoken.load.load_tiktoken_bpe(path)
    specials = {t: count + i for i, t in enumerate(kinds.llama3_specials())}
    encoding = tiktoken.Encoding("small", pat_str=kinds.LLAMA3, mergeable_ranks=ranks, special_tokens=specials)
    for text in texts:
        ids = encoding.encode(shown(text), allowed_special="all")
        yield {"text": hexed(text), "ids": ids, "text_ids": encoding.encode(shown(text), disallowed_special=()), **decoded(judge, ids)}


def llama2c_encode(pieces, scores, text):
    """By the rules of run.c, the slow way: of all neighbours the best score, until there is none."""
    index = {p: i for i, p in enumerate(pieces)}
    data = b" " + text if text else b""
    ids, at = [], 0
    while at < len(data):
        size = 1
        while size < 4 and at + size < len(data) and data[at + size] & 0xC0 == 0x80:
            size += 1
        ids += [index[data[at:at + size]]] if data[at:at + size] in index else [b + 3 for b in data[at:at + size]]
        at += size
    while True:
        pairs = [(-scores[index[p]], i) for i in range(len(ids) - 1) if (p := pieces[ids[i]] + pieces[ids[i + 1]]) in index]
        if not pairs:
            return ids
        i = min(pairs)[1]
        ids[i:i + 2] = [index[pieces[ids[i]] + pieces[ids[i + 1]]]]


def llama2c_decode(pieces, ids, skip):
    out, previous = b"", 1
    for i in ids:
        piece = pieces[i][1:] if previous == 1 and pieces[i].startswith(b" ") else pieces[i]
        previous = i
        if len(piece) == 6 and piece.startswith(b"<0x"):
            piece = bytes([int(piece[3:5], 16)])
        out += b"" if skip and i < 3 else piece
    return out.decode(errors="replace")


def write_llama2c(model, path):
    pieces, scores = [], []
    for i in range(model.get_piece_size()):
        text = model.id_to_piece(i)
        text = {1: "\n<s>\n", 2: "\n</s>\n"}.get(i, text).replace("▁", " ")
        pieces.append(text.encode())
        scores.append(model.get_score(i))
    with open(path, "wb") as out:
        out.write(struct.pack("<i", max(map(len, pieces))))
        for piece, score in zip(pieces, scores):
            out.write(struct.pack("<fi", score, len(piece)) + piece)
    return pieces, scores


def train(path, **symbols):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()), model_writer=model, model_type="bpe", vocab_size=560, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.98, num_threads=1, minloglevel=2,
        **symbols)
    with open(path, "wb") as out:
        out.write(model.getvalue())


def variant(name, base, tokenizer, texts):
    """The parts in which it differs from its base, and its cases."""
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    whole, first = json.loads(tokenizer.to_str()), json.loads(base.to_str())
    patch = {key: value for key, value in whole.items() if value != first[key]}
    if "model" in patch:
        patch["model"] = {k: v for k, v in patch["model"].items() if v != first["model"][k]}
    return {"name": name, "patch": patch, "cases": list(cases_of(tokenizer, texts)),
            "single": tokenizer.encode("Hello").ids, "pair": tokenizer.encode("Hello", "world").ids}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = f"{here}/tokenizer_llama"
    os.makedirs(folder, exist_ok=True)
    nasty = [text for text in NASTY if len(text) <= 100] + ["日" * 65, "internationalisation" * 6]  # either side of a long word's limit
    texts = nasty + SP_TEXTS
    train(f"{folder}/sp.model", control_symbols=["[INST]", "[/INST]"], user_defined_symbols=["<sep>"])
    out = {"written_by": {p: importlib.metadata.version(p) for p in ("tokenizers", "sentencepiece", "tiktoken", "transformers")}}
    sp = lambda style: kinds.sp_tokenizer(f"{folder}/sp.model", style)
    sp("prepend").save(f"{folder}/sp.json", pretty=False)
    out["sp"] = [variant(style, sp("prepend"), sp(style), texts if style in ("prepend", "first") else texts[::3] + SP_TEXTS)
                 for style in ("prepend", "first", "always", "never", "split", "marks", "normalized")]
    out["model"] = [{"legacy": legacy, "cases": list(sentencepiece_cases(f"{folder}/sp.model", sp(style), texts if legacy else []))
                     if legacy else list(cases_of(sp(style), [t for t in texts if "<sep>" not in shown(t)]))}
                    for legacy, style in ((True, "prepend"), (False, "first"))]

    vocab = json.load(open(f"{here}/tokenizer_small/vocab.json", encoding="utf-8"))
    lines = open(f"{here}/tokenizer_small/merges.txt", encoding="utf-8").read().split("\n")[1:]
    merges = [tuple(line.split(" ")) for line in lines if line]
    pieces = [p for p, i in sorted(vocab.items(), key=lambda item: item[1]) if i >= 5]
    convert = importlib.import_module("transformers.convert_slow_tokenizer")
    alphabet = {c: b for b, c in convert.bytes_to_unicode().items()}
    with open(f"{folder}/bytes.model", "w") as file:
        for rank, piece in enumerate(pieces):
            file.write(base64.b64encode(bytes(alphabet[c] for c in piece)).decode() + f" {rank}\n")
    llama3 = kinds.llama3_tokenizer(f"{folder}/bytes.model", False)
    small = {p: i for i, p in enumerate(pieces)}
    qwen2 = kinds.byte_level(small, merges, kinds.QWEN2, kinds.QWEN2_SPECIALS, nfc=True)
    digits = kinds.byte_level(small, merges, None, kinds.QWEN2_SPECIALS, digits=True)
    llama3.save(f"{folder}/bytes.json", pretty=False)
    out["bytes"] = [variant("llama3", llama3, llama3, nasty + QWEN_TEXTS), variant("qwen2", llama3, qwen2, nasty + QWEN_TEXTS),
                    variant("digits", llama3, digits, nasty[::3] + QWEN_TEXTS)]
    out["tiktoken"] = list(tiktoken_cases(f"{folder}/bytes.model", len(pieces), llama3, nasty[::2] + QWEN_TEXTS))

    with tempfile.TemporaryDirectory() as tmp:  # without more symbols: run.c wants the bytes behind the first three pieces
        train(f"{tmp}/table.model")
        table, scores = write_llama2c(sentencepiece.SentencePieceProcessor(model_file=f"{tmp}/table.model"), f"{folder}/table.bin")
    out["llama2c"] = []
    for text in texts:
        raw = text if isinstance(text, bytes) else text.encode()
        ids = llama2c_encode(table, scores, raw)
        out["llama2c"].append({"text": hexed(text), "ids": ids, "text_ids": ids, "decoded": llama2c_decode(table, ids, True),
                               "decoded_all": llama2c_decode(table, ids, False)})
    with open(f"{here}/llama_tokenizer_golden.json", "w") as file:
        json.dump(out, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()

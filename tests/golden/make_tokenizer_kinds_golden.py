"""Writes tokenizer_kinds_golden.json: a small tokenizer.json for each kind of component, with what the `tokenizers` package
makes of nasty texts with it; and tokenizer_unigram.model, a small sentencepiece Unigram model with a character map of its
own, with what transformers makes of it (as it is, as XLM-R's and as CamemBERT's). CI needs no Python.

Usage: python make_tokenizer_kinds_golden.py      (in this folder; needs tokenizers, transformers, sentencepiece)
"""
import io
import json
import os
import random
import tempfile
from types import SimpleNamespace

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from make_tokenizer_golden import TEXT, hexed

TEXTS = [
    "", " ", "a", "Hello World", "  two  spaces ", "Don't stop, it's 3.14!", "\t tab\nline\r\nend \u00a0\u3000x",
    "ÉCOLE Ünïcode İstanbul ßẞ",
    "e\u0301a\u0308 \u1e9b\u0323", "日本語の文章と漢字 中文！", "か\u3099ｶﾞ ﬁnd ½ ① ™",
    "русский Язык ΣΊΣ", "हिन्दी ไทย", "👍🏽 👨\u200d👩\u200d👧 x\ufe0f",
    "a\x00b\x07c\x7fd\x85e\ufffd", "\u200b\u200c\u200d\ufeff\u2028x", "▁a ▁▁ b▁", "12a34 ٣٤ 1,000", "x" * 12 + " " + "ab" * 9,
    "camelCaseText HTTPServer",
    "!?...--- (a)[b]", "<0x41>\u20ac\U0001d400", "a|b|c  |", "\u0301x \u0600y", "the truth of the universe",
]
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def word_level(tokenizer):
    """Gives the tokenizer a vocabulary of all words that it cuts the texts into, so that ids show the cut."""
    words = {}
    for text in TEXTS:
        shown = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        cut = tokenizer.pre_tokenizer.pre_tokenize_str(shown) if tokenizer.pre_tokenizer else [(shown, None)]
        for word, _ in cut:
            if word:
                words.setdefault(word, len(words) + 1)
    tokenizer.model = models.WordLevel({"[UNK]": 0, **words}, unk_token="[UNK]")
    return tokenizer


def with_parts(normalizer=None, pre=None):
    out = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    if normalizer:
        out.normalizer = normalizer
    if pre:
        out.pre_tokenizer = pre
    return word_level(out)


def normalizer_kinds(charsmap):
    n = normalizers
    kinds = {"NFC": n.NFC(), "NFD": n.NFD(), "NFKC": n.NFKC(), "NFKD": n.NFKD(), "Lowercase": n.Lowercase(), "Strip": n.Strip(),
             "Strip left": n.Strip(right=False), "Strip right": n.Strip(left=False),
             "StripAccents": n.Sequence([n.NFD(), n.StripAccents()]),
             "StripAccents alone": n.StripAccents(), "Replace": n.Replace("a", "<b>"), "Replace nothing": n.Replace("", "."),
             "Replace expression": n.Replace(Regex(r"\s+|(?<=a)b"), "_"), "Replace to nothing": n.Replace(Regex(r"[^\w\s]"), ""),
             "Replace edges": n.Replace(Regex(r"^ +| +$|(?<=\S)$"), "~"), "Prepend": n.Prepend("▁x"), "Nmt": n.Nmt(),
             "ByteLevel": n.ByteLevel(),
             "Bert": n.BertNormalizer(), "Bert cased": n.BertNormalizer(lowercase=False),
             "Bert plain": n.BertNormalizer(False, False, False, False),
             "Bert accents": n.BertNormalizer(strip_accents=False), "Precompiled": n.Precompiled(charsmap),
             "Sequence": n.Sequence([n.Strip(), n.Lowercase(), n.Replace("l", "L"), n.Prepend("^")]), "Sequence of none": n.Sequence([])}
    for name, kind in kinds.items():
        yield f"normalizer {name}", with_parts(normalizer=kind)


def pre_tokenizer_kinds():
    p = pre_tokenizers
    kinds = {"ByteLevel": p.ByteLevel(), "ByteLevel plain": p.ByteLevel(add_prefix_space=False, use_regex=False),
             "Whitespace": p.Whitespace(),
             "WhitespaceSplit": p.WhitespaceSplit(), "BertPreTokenizer": p.BertPreTokenizer(), "Digits": p.Digits(),
             "Digits one by one": p.Digits(True),
             "CharDelimiterSplit": p.CharDelimiterSplit("|"), "FixedLength": p.FixedLength(3), "Metaspace": p.Metaspace(),
             "Metaspace never": p.Metaspace(prepend_scheme="never"), "Metaspace first": p.Metaspace(prepend_scheme="first", split=False),
             "Metaspace sign": p.Metaspace(replacement="_")}
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        kinds[f"Punctuation {behavior}"] = p.Punctuation(behavior)
        for invert in (False, True):
            kinds[f"Split text {behavior} {invert}"] = p.Split(" ", behavior, invert)
            kinds[f"Split {behavior} {invert}"] = p.Split(Regex(r"[\s\p{P}]"), behavior, invert)
    expressions = {
        "case": r"(?=\p{Lu})", "edges": r"\b", "ranges": r"[\u4e00-\u9fa5\x{3040}-ヿ]+|[^\S\n]+", "and": r"[\p{L}&&[^\p{Han}a-e]]+",
        "nested": r"[a-c[x-z]0-9]+|.$",
        "lines": r"^.|\n$", "caseless": r"(?i:stop|HELLO|k|é)|(?i)s", "possessive": r"\s++(?!\S)|\w*+\d|\p{^L}?+x",
        "lazy": r"a{1,2}?|b{,2}c|\S+?(?=\s)",
        "deepseek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| "
                    r"?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
                 r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+",
        "negated": r"[^\W\d_]+|\D\S|\h+", "atomic": r"(?>a|ab)c|(?#note)(?<=\bt)he|\R",
    }
    for name, expression in expressions.items():
        kinds[f"expression {name}"] = p.Split(Regex(expression), "isolated")
    kinds["Sequence"] = p.Sequence([p.WhitespaceSplit(), p.Punctuation(), p.Digits(True), p.Metaspace()])
    kinds["Sequence of splits"] = p.Sequence([p.Split(Regex(r"\p{N}{1,3}"), "isolated"),
                                              p.Split(Regex("[一-龥぀-ゟ゠-ヿ]+"), "isolated"),
                                              p.Split(Regex(expressions["deepseek"]), "isolated"), p.ByteLevel(False, use_regex=False)])
    kinds["ByteLevel inside"] = p.Sequence([p.Whitespace(), p.ByteLevel(add_prefix_space=True), p.Digits(True)])
    kinds["Metaspace behind"] = p.Sequence([p.WhitespaceSplit(), p.Metaspace(prepend_scheme="first")])
    for name, kind in kinds.items():
        yield f"pre_tokenizer {name}", with_parts(pre=kind)
    both = with_parts(normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
                      p.Sequence([p.WhitespaceSplit(), p.Punctuation()]))
    both.add_tokens([AddedToken("TRUTH", normalized=True), AddedToken("[b]", normalized=False)])
    yield "added tokens in normalized text", both


def trained(model, trainer, pre=None, normalizer=None):
    out = Tokenizer(model)
    out.pre_tokenizer = pre or pre_tokenizers.Whitespace()
    if normalizer:
        out.normalizer = normalizer
    out.train_from_iterator(TEXT.splitlines(), trainer)
    return out


def changed(tokenizer, **parts):
    """With parts of the model replaced."""
    whole = json.loads(tokenizer.to_str())
    whole["model"].update(parts)
    return Tokenizer.from_str(json.dumps(whole))


def model_kinds():
    p = pre_tokenizers
    bpe = trained(models.BPE(unk_token="[UNK]"), trainers.BpeTrainer(vocab_size=160, special_tokens=["[UNK]"], show_progress=False))
    yield "BPE unk", bpe
    yield "BPE fuse_unk", changed(bpe, fuse_unk=True)
    yield "BPE without unk", changed(bpe, unk_token=None)
    yield "BPE unk that is lacking", changed(bpe, unk_token="[NONE]")
    vocab = json.loads(bpe.to_str())["model"]["vocab"]
    fallback = {**vocab, **{b: len(vocab) + i for i, b in enumerate(BYTES)}}
    yield "BPE byte_fallback", changed(bpe, byte_fallback=True, vocab=fallback)
    some = {k: v for k, v in fallback.items() if k not in BYTES[0xE0:0xE4]}
    yield "BPE byte_fallback of some", changed(bpe, byte_fallback=True, vocab=some, fuse_unk=True)
    yield "BPE ignore_merges", changed(bpe, ignore_merges=True, merges=[])
    whole = trained(models.BPE(), trainers.BpeTrainer(vocab_size=120, show_progress=False), p.Metaspace(split=False))
    whole.decoder = decoders.Metaspace()
    yield "BPE marks and dropped characters", whole
    suffix = trained(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"),
                     trainers.BpeTrainer(vocab_size=170, special_tokens=["[UNK]"], end_of_word_suffix="</w>", show_progress=False))
    suffix.decoder = decoders.BPEDecoder()
    yield "BPE end_of_word_suffix", suffix
    clip = trained(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"),
                   trainers.BpeTrainer(vocab_size=330, special_tokens=["[UNK]"], end_of_word_suffix="</w>", show_progress=False,
                                       initial_alphabet=p.ByteLevel.alphabet()), p.ByteLevel(add_prefix_space=False))
    yield "BPE bytes with end_of_word_suffix", clip
    prefix = trained(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"),
                     trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]"], continuing_subword_prefix="##", show_progress=False))
    yield "BPE continuing_subword_prefix", prefix
    bytes_ = trained(models.BPE(), trainers.BpeTrainer(vocab_size=150, show_progress=False), p.ByteLevel(add_prefix_space=False))
    yield "BPE bytes that are lacking", bytes_
    yield "BPE bytes lacking, unk", changed(bytes_, unk_token="a", fuse_unk=True)
    byte_vocab = json.loads(bytes_.to_str())["model"]["vocab"]
    byte_vocab.update({b: len(byte_vocab) + i for i, b in enumerate(BYTES)})
    yield "BPE bytes lacking, byte_fallback", changed(bytes_, byte_fallback=True, vocab=byte_vocab)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=180, special_tokens=specials, show_progress=False)
    piece = trained(models.WordPiece(unk_token="[UNK]"), trainer,
                    p.BertPreTokenizer(), normalizers.BertNormalizer())
    piece.decoder = decoders.WordPiece()
    piece.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    yield "WordPiece", piece
    yield "WordPiece short words", changed(piece, max_input_chars_per_word=5)
    unigram = trained(models.Unigram(), trainers.UnigramTrainer(vocab_size=200, special_tokens=["<unk>"], unk_token="<unk>",
                                                                show_progress=False), p.Metaspace())
    unigram.decoder = decoders.Metaspace()
    yield "Unigram", unigram
    scores = json.loads(unigram.to_str())["model"]["vocab"]
    yield "Unigram byte_fallback", changed(unigram, byte_fallback=True, vocab=scores + [[b, -9.0] for b in BYTES])
    yield "Unigram with equal pieces", changed(unigram, vocab=scores + [["e", -1.0], ["th", -2.5], ["th", -30.0]])
    yield "Unigram of sentences", Tokenizer.from_str(json.dumps({**json.loads(unigram.to_str()), "pre_tokenizer": None}))
    added = changed(bpe)
    added.add_special_tokens([AddedToken("<s>"), AddedToken("<mask>", lstrip=True)])
    added.add_tokens([AddedToken("universe", single_word=True), "tru"])
    added.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B <s>", special_tokens=[("<s>", added.token_to_id("<s>"))])])
    added.decoder = decoders.Fuse()
    yield "added tokens", added
    roberta = changed(bpe)
    roberta.add_special_tokens(["<s>", "</s>"])
    roberta.post_processor = processors.RobertaProcessing(("</s>", roberta.token_to_id("</s>")), ("<s>", roberta.token_to_id("<s>")))
    yield "RobertaProcessing", roberta


def numbered_otherwise():
    """Added tokens whose ids in the file are not those that the package gives."""
    base = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2, "gap": 9}, unk_token="[UNK]"))
    base.pre_tokenizer = pre_tokenizers.Whitespace()
    for name, tokens in {"a hole": [("Hello", 40)], "another's id": [("Hello", 1)], "two": [("Hello", 7), ("World", 7), ("the", 2)],
                         "known": [("b", 5), ("x", 30), ("of", 30)], "twice": [("Hello", 20), ("Hello", 21), ("truth", 4)]}.items():
        whole = json.loads(base.to_str())
        whole["added_tokens"] = [{"id": i, "content": c, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                                  "special": c == "Hello"}
                                 for c, i in tokens]
        yield f"added ids {name}", Tokenizer.from_str(json.dumps(whole)), whole


def decoder_kinds():
    d = decoders
    tokens = ["[UNK]", "Hello", "▁Hello", "##ing", "<0xE2>", "<0x82>", "<0xAC>", "<0x0A>", "<0x+5>", "world</w>", " ", "a", "aa", "|",
              "<pad>", "do", "n't", ".", ",", "'s", "▁",
              "▁▁x▁", "Ġthe", "Ã©", "â", "é", "  b  ", "not", "ĠÑ", "</w>", "日本", "##日", "<0xZZ>", "'", "aaa"]
    kinds = {"none": None, "ByteLevel": d.ByteLevel(), "WordPiece": d.WordPiece(),
             "WordPiece plain": d.WordPiece(prefix="▁", cleanup=False), "Metaspace": d.Metaspace(),
             "Metaspace never": d.Metaspace(prepend_scheme="never"), "BPEDecoder": d.BPEDecoder(), "ByteFallback": d.ByteFallback(),
             "Fuse": d.Fuse(),
             "Strip": d.Strip("a", 1, 1), "Strip both": d.Sequence([d.Fuse(), d.Strip(" ", 2, 1)]), "Replace": d.Replace("a", "<>"),
             "Replace expression": d.Replace(Regex("[a▁]+"), "_"),
             "CTC": d.CTC(), "CTC plain": d.CTC(cleanup=False), "Llama": d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse(),
                                                                                     d.Strip(" ", 1, 0)]),
             "Strip first": d.Sequence([d.Replace("▁", " "), d.Strip(" ", 1, 0), d.ByteFallback(), d.Fuse()]),
             "bytes, then marks": d.Sequence([d.ByteFallback(), d.Metaspace()]),
             "fused, then replaced": d.Sequence([d.Fuse(), d.Replace("aaa", "-"), d.Replace("-", "+")]),
             "ByteLevel, then stripped": d.Sequence([d.ByteLevel(), d.Strip(" ", 3, 0)])}
    rng = random.Random(5)
    lists = [[rng.randrange(len(tokens) + 1) for _ in range(rng.randrange(0, 9))] for _ in range(40)]
    lists += [[], [2], [4, 5, 6], [4, 5], [4, 11], [7, 8]]
    for name, kind in kinds.items():
        out = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
        out.add_special_tokens(["<pad>"])
        if kind:
            out.decoder = kind
        yield {"name": f"decoder {name}", "tokenizer": json.loads(out.to_str()), "cases": [],
               "decoded": [[ids, decode(out, ids, True), decode(out, ids, False)] for ids in lists]}


def decode(tokenizer, ids, skip):
    try:
        return tokenizer.decode(ids, skip_special_tokens=skip)
    except BaseException:  # a decoder that the package's own code breaks off in
        return None


def encode(tokenizer, *texts):
    try:
        return tokenizer.encode(*texts, add_special_tokens=len(texts) > 1).ids
    except Exception:
        return None  # what is unknown has no token


ALL = TEXTS + [" ".join(TEXT.split()[:12])]


def golden(name, tokenizer, whole=None):
    """cases: of each text the ids with special tokens parsed, those without if they differ, and where there is a decoder
    the text that they decode to, without special tokens and with them."""
    cases = []
    for text in ALL:
        ids, plain = [], []
        for out, parse in ((ids, True), (plain, False)):
            tokenizer.encode_special_tokens = not parse
            out.append(encode(tokenizer, text))
        case = ids + ([None] if ids == plain else plain)
        if tokenizer.decoder and ids[0] is not None:
            case += [decode(tokenizer, ids[0], skip) for skip in (True, False)]
        cases.append(case)
    tokenizer.encode_special_tokens = False
    return {"name": name, "tokenizer": whole or json.loads(tokenizer.to_str()), "cases": cases,
            "pair": encode(tokenizer, "Hello World", "the truth"),
            "single": tokenizer.encode("the truth").ids}


def fields(data):
    """The fields of a protocol buffer: number, value."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = varint()
        size = {0: lambda: None, 1: lambda: 8, 2: varint, 5: lambda: 4}[key & 7]()
        if size is None:
            yield key >> 3, varint()
        else:
            yield key >> 3, data[at:at + size]
            at += size


def unigram_model(folder):
    rules = [("A", "a"), ("É", "e"), ("é", "e"), ("e\u0301", "é"), ("ﬁ", "fi"), ("\u3000", " "), ("\t", " "), ("\r", " "),
             ("①", "1"), ("™", "tm"), ("½", "1/2"), ("\u200b", ""), ("か\u3099", "が"), ("日", "day")]
    with tempfile.TemporaryDirectory() as tmp:
        with open(f"{tmp}/rules.tsv", "w", encoding="utf-8") as file:
            for a, b in rules:
                file.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
        out, here = io.BytesIO(), os.getcwd()
        os.chdir(tmp)  # the model remembers the name of the rules
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXT.splitlines() * 3), model_writer=out, vocab_size=150,
                                                 model_type="unigram",
                                                 normalization_rule_tsv="rules.tsv", user_defined_symbols=["<sep>"], minloglevel=2,
                                                 num_threads=1, hard_vocab_limit=False)
        os.chdir(here)
    with open(f"{folder}/tokenizer_unigram.model", "wb") as file:
        file.write(out.getvalue())
    return out.getvalue()


def converted(model, pieces, charsmap):
    """The model as transformers converts one of no known class. What it reads of the file is handed to it."""
    from transformers.convert_slow_tokenizer import SpmConverter
    kind = lambda i: 2 if model.is_unknown(i) else 3 if model.is_control(i) else 4 if pieces[i][0] == "<sep>" else 1
    proto = SimpleNamespace(trainer_spec=SimpleNamespace(byte_fallback=False, unk_piece="<unk>", unk_id=model.unk_id()),
                            normalizer_spec=SimpleNamespace(precompiled_charsmap=charsmap, remove_extra_whitespaces=True,
                                                            add_dummy_prefix=True, escape_whitespaces=True),
                            pieces=[SimpleNamespace(piece=p, score=s, type=kind(i)) for i, (p, s) in enumerate(pieces)])
    return SpmConverter.build_tokenizer_from_spm_proto(proto, pieces)


def unigram_goldens(data, charsmap):
    from transformers import CamembertTokenizer, XLMRobertaTokenizer
    model = sentencepiece.SentencePieceProcessor(model_proto=data)
    pieces = [(model.id_to_piece(i), model.get_score(i)) for i in range(model.get_piece_size())]
    texts = [t for t in TEXTS if "\ufffd" not in t] + ["<sep> a<sep>b", "<mask> x <mask>", "a <s> b",
                                                       "É ①É™ か\u3099日 e\u0301", "A\r\nB \r\n"]
    plain = converted(model, pieces, charsmap)
    out = {"model": [{"text": hexed(t), "text_ids": plain.encode(t).ids} for t in texts]}
    fairseq = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces[3:], ("<mask>", 0.0)]
    camembert = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("</s>NOTUSED", 0.0), ("<unk>", 0.0), ("<unk>NOTUSED", -100.0), *pieces[1:],
                 ("<mask>", 0.0)]
    for name, kind, vocab in (("xlm-roberta", XLMRobertaTokenizer, fairseq), ("camembert", CamembertTokenizer, camembert)):
        judge = kind(vocab=vocab, _spm_precompiled_charsmap=charsmap)
        backend = judge.backend_tokenizer
        cases = []
        for text in texts:
            ids = backend.encode(text, add_special_tokens=False).ids
            cases.append({"text": hexed(text), "ids": ids, "decoded": backend.decode(ids, skip_special_tokens=True),
                          "decoded_all": backend.decode(ids, skip_special_tokens=False)})
        out[name] = {"cases": cases, "pair": judge("the truth", "a man")["input_ids"], "single": judge("the truth")["input_ids"],
                     "mask": judge.mask_token_id, "pad": judge.pad_token_id, "size": len(judge)}
    return out


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    data = unigram_model(folder)
    normalizer = next(value for number, value in fields(data) if number == 3)
    charsmap = next(value for number, value in fields(normalizer) if number == 2)
    kinds = [golden(name, Tokenizer.from_str(t.to_str())) for name, t in (*normalizer_kinds(charsmap), *pre_tokenizer_kinds(),
                                                                          *model_kinds())]
    kinds += [golden(name, t, whole) for name, t, whole in numbered_otherwise()]
    kinds += decoder_kinds()
    out = {"written_by": f"tokenizers {tokenizers.__version__}", "texts": [hexed(t) for t in ALL], "kinds": kinds,
           "unigram": unigram_goldens(data, charsmap)}
    with open(f"{folder}/tokenizer_kinds_golden.json", "w", encoding="utf-8") as file:
        json.dump(out, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()

"""Builds tokenizer folders of every kind that Llama 2, 3, 3.1, Mistral, TinyLlama and Qwen2 ship, out of released
`tokenizer.model` files, with the converters of transformers. Used by check_tokenizer.py and make_llama_tokenizer_golden.py.

The judge of a folder with tokenizer.json is tokenizers.Tokenizer.from_file; of a tokenizer.model, sentencepiece or tiktoken.
"""
import importlib
import json
import os
import shutil

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3, QWEN2 = HEAD + r"\p{N}{1,3}" + TAIL, HEAD + r"\p{N}" + TAIL
QWEN2_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def llama3_specials(llama31=False):
    names = {0: "<|begin_of_text|>", 1: "<|end_of_text|>", 6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>"}
    if llama31:
        names.update({4: "<|finetune_right_pad_id|>", 8: "<|eom_id|>", 10: "<|python_tag|>"})
    free = iter(range(256))
    return [names.get(i) or f"<|reserved_special_token_{next(free)}|>" for i in range(256)]


def sp_model(path):
    """Vocabulary, merges and proto of a sentencepiece BPE model."""
    convert = importlib.import_module("transformers.convert_slow_tokenizer")
    proto = convert.import_protobuf().ModelProto()
    proto.ParseFromString(open(path, "rb").read())
    vocab = {p.piece: i for i, p in enumerate(proto.pieces)}
    scores = {p.piece: p.score for p in proto.pieces if p.type == 1}
    skip = [p.piece for p in proto.pieces if p.type != 1]
    return vocab, convert.generate_merges(vocab, scores, skip), proto


def sp_tokenizer(path, style):
    """style: prepend (Llama 2, TinyLlama, Mistral), first, always, never (Metaspace), split (Metaspace that cuts),
    marks (Metaspace as the decoder, too), normalized (added tokens that are found in normalized text)."""
    vocab, merges, proto = sp_model(path)
    out = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if style in ("prepend", "normalized"):
        out.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        scheme = style if style in ("first", "never") else "always"
        out.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=style in ("split", "marks"))
    if style != "never":
        steps.append(decoders.Strip(" ", 1, 0))
    out.decoder = decoders.Metaspace("▁", prepend_scheme="always") if style == "marks" else decoders.Sequence(steps)
    by_kind = lambda kinds: [p.piece for p in proto.pieces if p.type in kinds]
    out.add_special_tokens([AddedToken(t, normalized=style == "normalized", special=True) for t in by_kind((2, 3))])
    out.add_tokens([AddedToken(t, normalized=False) for t in by_kind((4,))])
    if style == "normalized":
        out.add_tokens([AddedToken("truth ", normalized=True), AddedToken("my dear", normalized=False)])
    out.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                       special_tokens=[("<s>", vocab["<s>"])])
    return out


def byte_level(vocab, merges, expression, specials, bos=None, nfc=False, ignore_merges=False, digits=False):
    out = Tokenizer(models.BPE(vocab, merges, ignore_merges=ignore_merges))
    first = pre_tokenizers.Digits(individual_digits=True) if digits else pre_tokenizers.Split(Regex(expression), "isolated")
    out.pre_tokenizer = pre_tokenizers.Sequence([first, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=digits)])
    out.decoder = decoders.ByteLevel()
    if nfc:
        out.normalizer = normalizers.NFC()
    out.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in specials])
    if bos:
        template = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B",
                                                 special_tokens=[(bos, out.token_to_id(bos))])
        out.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return out


def llama3_tokenizer(path, llama31):
    convert = importlib.import_module("transformers.convert_slow_tokenizer")
    vocab, merges = convert.TikTokenConverter(path).extract_vocab_merges_from_model(path)
    return byte_level(vocab, merges, LLAMA3, llama3_specials(llama31), bos="<|begin_of_text|>", ignore_merges=True)


def gpt2_files(folder):
    merges = [tuple(line.split(" ")) for line in open(f"{folder}/merges.txt" if os.path.exists(f"{folder}/merges.txt")
                                                      else f"{folder}/vocab.bpe", encoding="utf-8").read().split("\n")
              if line and not line.startswith("#version")]
    return json.load(open(f"{folder}/vocab.json", encoding="utf-8")), merges


def build(tokenizers_folder, out):
    """Yields (name, folder, judge) for all kinds; judge is a Tokenizer."""
    llama2, llama3 = (f"{tokenizers_folder}/{n}/tokenizer.model" for n in ("llama2", "llama3"))

    def save(name, tokenizer):
        os.makedirs(f"{out}/{name}", exist_ok=True)
        tokenizer.save(f"{out}/{name}/tokenizer.json")
        return name, f"{out}/{name}", Tokenizer.from_file(f"{out}/{name}/tokenizer.json")

    for style in ("prepend", "first", "always", "never", "split", "marks", "normalized"):
        yield save(f"llama2 {style}", sp_tokenizer(llama2, style))
    for legacy, style in ((True, "prepend"), (False, "first")):  # the model file alone, as transformers reads it
        folder = f"{out}/llama2 model legacy {legacy}"
        os.makedirs(folder, exist_ok=True)
        shutil.copy(llama2, folder)
        json.dump({"legacy": legacy}, open(f"{folder}/tokenizer_config.json", "w"))
        yield f"llama2 model, legacy {legacy}", folder, sp_tokenizer(llama2, style)
    yield save("llama3", llama3_tokenizer(llama3, False))
    yield save("llama3.1", llama3_tokenizer(llama3, True))
    for llama31 in (False, True):
        folder = f"{out}/llama3 model {llama31}"
        os.makedirs(folder, exist_ok=True)
        shutil.copy(llama3, folder)
        json.dump({"use_scaled_rope": llama31}, open(f"{folder}/params.json", "w"))
        yield f"llama3 model, 3.1 {llama31}", folder, llama3_tokenizer(llama3, llama31)
    vocab, merges = gpt2_files(f"{tokenizers_folder}/gpt2")
    vocab.pop("<|endoftext|>")
    yield save("qwen2", byte_level(vocab, merges, QWEN2, QWEN2_SPECIALS, nfc=True))
    yield save("digits", byte_level(vocab, merges, None, QWEN2_SPECIALS, digits=True))
    folder = f"{out}/qwen2 files"
    os.makedirs(folder, exist_ok=True)
    json.dump(vocab, open(f"{folder}/vocab.json", "w"))
    open(f"{folder}/merges.txt", "w", encoding="utf-8").write("\n".join(map(" ".join, merges)) + "\n")
    added = {str(len(vocab) + i): {"content": t, "special": True, "normalized": False, "lstrip": False, "rstrip": False,
                                   "single_word": False} for i, t in enumerate(QWEN2_SPECIALS)}
    json.dump({"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "bos_token": None,
               "eos_token": "<|im_end|>"}, open(f"{folder}/tokenizer_config.json", "w"))
    yield "qwen2 files", folder, Tokenizer.from_file(f"{out}/qwen2/tokenizer.json")

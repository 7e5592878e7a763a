"""Writes unicode_class_ranges.inc: the character classes that the `tokenizers` package uses, code point by code point.

Usage: python make_unicode_classes.py > unicode_class_ranges.inc      (about a minute; needs `pip install tokenizers`)

Nothing is taken from a Unicode database: each of the 1,112,064 code points is shown to the package itself, so that the
table has whatever Unicode version its regular expressions have. L, N, S are the classes of the GPT-2 expression of the
ByteLevel pre-tokenizer; W (word) is the one that single_word of added tokens uses, whose lstrip and rstrip use another
engine's \\s: checked to be the same set.
"""
import tokenizers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
probe = Tokenizer(models.BPE(vocab={"a": 0}, merges=[], unk_token="a"))
probe.add_tokens([AddedToken("zz", single_word=True), AddedToken("<m>", lstrip=True)])
WORD, BLANK = probe.token_to_id("zz"), probe.token_to_id("<m>")


def classes(c):
    found = ""
    if len(split("a" + c)) == 1:
        found += "L"
    elif len(split("1" + c)) == 1:
        found += "N"
    elif len(split("!" + c)) == 2:
        found += "S"
    if WORD not in probe.encode("zz" + c).ids:
        found += "W"
    assert (probe.encode(c + "<m>").ids == [BLANK]) == ("S" in found), hex(ord(c))
    return found


def main():
    ranges = {name: [] for name in "LNSW"}
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        for name in classes(chr(code)):
            if ranges[name] and ranges[name][-1][1] == code - 1:
                ranges[name][-1][1] = code
            else:
                ranges[name].append([code, code])
    print(f"// Written by make_unicode_classes.py from tokenizers {tokenizers.__version__}. Class, first, last code point.")
    line = ""
    for name, found in ranges.items():
        for first, last in found:
            item = f"{{k{name},{first:#x},{last:#x}}},"
            if len(line) + len(item) > 110:
                print(line)
                line = ""
            line += item
    print(line)


main()

"""Writes unicode_tables.inc: what the `tokenizers` package takes each character for, code point by code point.

Usage: python make_unicode_tables.py > unicode_tables.inc      (some minutes; needs `pip install tokenizers`)

Nothing is taken from a Unicode database: all 1,112,064 code points are shown to the package itself, so that each table
has whatever Unicode version the part of the package has that uses it. They differ: its expressions, its normalizers and
its added tokens are of three libraries.
"""
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
SCRIPTS = """Arabic Armenian Bengali Bopomofo Common Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Han Hangul
Hebrew Hiragana Inherited Kannada Katakana Khmer Lao Latin Malayalam Mongolian Myanmar Oriya Sinhala Tamil Telugu Thai
Tibetan""".split()
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, CODES))


def runs(flags):
    """Ranges of the code points whose flag is set; surrogates are no gap."""
    found = []
    for code in CODES:
        if not flags(code):
            continue
        if found and found[-1][1] in (code - 1, 0xD7FF if code == 0xE000 else None):
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def matches(expression):
    """Code points that an expression for one character matches."""
    out = set()
    for _, (a, b) in pre_tokenizers.Split(Regex(f"[^{expression}]+"), "removed").pre_tokenize_str(TEXT):
        out.update(CODES[a:b])
    return out


def parts(pre_tokenizer):
    """For each code point how `a`, it and a space are cut: 0 it is left out, 1 it is with the a, 2 by itself."""
    text = "".join(f"a{chr(c)} " for c in CODES)
    ends = {}
    for _, (a, b) in pre_tokenizer.pre_tokenize_str(text):
        ends.setdefault(a // 3, []).append((a % 3, b - a))
    kind = lambda found: 1 if found[0][1] >= 2 else 2 if any(at == 1 for at, _ in found[1:]) else 0
    return {c: kind(ends[i]) for i, c in enumerate(CODES)}


def normalized(normalizer):
    """Each code point behind an `a`, normalized, without the a."""
    mark = "|"  # no normalizer of these changes it
    shown = [c for c in CODES if c != ord(mark)]
    out = normalizer.normalize_str("".join(f"a{chr(c)}{mark}" for c in shown)).split(mark)
    assert len(out) == len(shown) + 1 and all(x.startswith("a") for x in out[:-1])
    return {ord(mark): mark, **{c: x[1:] for c, x in zip(shown, out)}}


def write(items):
    line = ""
    for item in items:
        if len(line) + len(item) > 117:
            print(line)
            line = ""
        line += item
    print(line)


def table(kind, name, items):
    print(f"constexpr {kind} {name}[] = {{")
    write(items)
    print("};")


def main():
    category = {}
    for name in CATEGORIES:
        category.update(dict.fromkeys(matches(rf"\p{{{name}}}"), name))
    category.update(dict.fromkeys(range(0xD800, 0xE000), "Cn"))
    assert len(category) == 0x110000
    print(f"// Written by make_unicode_tables.py from tokenizers {tokenizers.__version__}.")
    print("// The general category of all code points: runs of a category and a length.")
    found, start = [], 0
    for code in range(1, 0x110001):
        if code == 0x110000 or category[code] != category[start]:
            found.append(f"{{k{category[start]},{code - start}}},")
            start = code
    table("CategoryRun", "kCategoryRuns", found)

    white = matches(r"\s")
    bare, bert = parts(pre_tokenizers.Whitespace()), parts(pre_tokenizers.BertPreTokenizer())
    digits = parts(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(True)]))
    clean = normalized(normalizers.BertNormalizer(True, False, False, False))
    plain = normalized(normalizers.BertNormalizer(False, False, True, False))
    accents, lower = normalized(normalizers.StripAccents()), normalized(normalizers.Lowercase())
    of = lambda *names: lambda c: any(category[c].startswith(n) for n in names)
    kinds = {  # the class, its definition by the package, and by the category what it nearly is
        "kS": (lambda c: c in white, of("Z")),
        "kW": (lambda c: bare[c] == 1, of("L", "M", "Nd", "Nl", "Pc")),
        "kNumeric": (lambda c: digits[c] == 2, of("N")),
        "kPunctuation": (lambda c: bert[c] == 2, of("P")),
        "kControl": (lambda c: clean[c] == "", of("Cc", "Cf", "Co")),
        "kNonspacing": (lambda c: plain[c] == "", of("Mn")),
        "kAccent": (lambda c: accents[c] == "", of("M")),
    }
    print("// Where a class differs from what the category says (unicode_classes.cpp has that): first, last code point.")
    table("ClassRange", "kDifferences", [f"{{{name},{a:#x},{b:#x}}}," for name, (is_so, nearly) in kinds.items()
                                         for a, b in runs(lambda c: is_so(c) != nearly(c))])
    for c in CODES:
        assert (bare[c] == 0) == (c in white) == (bert[c] == 0), hex(c)
    print("// Small letters: from first to last in steps, each plus a difference.")
    steps = []
    for c in CODES:
        if len(lower[c]) != 1:
            assert c == 0x130 and lower[c] == "i\u0307"
        elif ord(lower[c]) != c:
            delta, last = ord(lower[c]) - c, steps[-1] if steps else [0, -9, 0, 0]
            if last[3] == delta and (c - last[1] == last[2] or (last[0] == last[1] and c - last[1] <= 2)):
                last[1], last[2] = c, c - last[1]
            else:
                steps.append([c, c, 1, delta])
    table("CaseStep", "kSmall", [f"{{{a:#x},{b:#x},{s},{d}}}," for a, b, s, d in steps])
    print("// Scripts of expressions.")
    found = []
    for name in SCRIPTS:
        members = matches(rf"\p{{{name}}}")
        found += [f'{{"{name.lower()}",{a:#x},{b:#x}}},' for a, b in runs(members.__contains__)]
    table("ScriptRange", "kScripts", found)


main()

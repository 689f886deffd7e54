#!/usr/bin/env python3
"""Writes src/Conclave.Text/Tokenization/Unicode/normalization.txt from Python's own Unicode data.

Unicode's stability policy fixes the normal forms of every assigned character, so versions differ only in characters
that were added later. Hangul syllables are computed and not listed.

    python3 scripts/unicode-normalization.py
"""
import pathlib
import unicodedata

TARGET = pathlib.Path(__file__).parent.parent / "src/Conclave.Text/Tokenization/Unicode/normalization.txt"


def points(text):
    return ".".join(f"{ord(c):x}" for c in text)


lines = [
    f"# Unicode {unicodedata.unidata_version}: combining classes, decompositions, compositions. "
    "Made by scripts/unicode-normalization.py; do not edit."
]
classes = {}
canonical, compatibility, composition = [], [], []
for code in range(0x110000):
    if 0xD800 <= code <= 0xDFFF or 0xAC00 <= code <= 0xD7A3:
        continue
    char = chr(code)
    if unicodedata.combining(char):
        classes.setdefault(unicodedata.combining(char), []).append(f"{code:x}")
    nfd, nfkd = unicodedata.normalize("NFD", char), unicodedata.normalize("NFKD", char)
    if nfd != char:
        canonical.append(f"{code:x}={points(nfd)}")
    if nfkd != nfd:
        compatibility.append(f"{code:x}={points(nfkd)}")
    # A primary composite is what NFC leaves alone; its own (one step) decomposition is the pair that composes to it.
    parts = unicodedata.decomposition(char).split()
    if len(parts) == 2 and "<" not in parts[0] and unicodedata.normalize("NFC", char) == char:
        composition.append(f"{int(parts[0], 16):x}.{int(parts[1], 16):x}={code:x}")

lines += [f"class {value} {' '.join(codes)}" for value, codes in sorted(classes.items())]
lines += ["canonical " + " ".join(canonical), "compatibility " + " ".join(compatibility), "composition " + " ".join(composition)]
TARGET.write_text("\n".join(lines) + "\n", encoding="ascii")

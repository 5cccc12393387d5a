#!/usr/bin/env python3
"""Makes a C file of the page's parts: web/embed.py OUT.c NAME=FILE...

Each file becomes `const unsigned char sn_web_NAME[]` (with a NUL behind it) and `const size_t sn_web_NAME_bytes`
(src/report/web_asset.h). A script or style sheet that would end its own element is refused.
"""
import re
import sys


def main(out, *parts):
    text = ['#include "report/web_asset.h"\n']
    for part in parts:
        name, path = part.split("=", 1)
        with open(path, "rb") as f:
            data = f.read()
        if re.search(rb"</(script|style)|<!--", data, re.I):
            sys.exit(f"{path}: would end the element that it is embedded in")
        text.append(f"\nconst unsigned char sn_web_{name}[] = {{")
        for at in range(0, len(data), 24):
            text.append("\n    " + " ".join(f"{b}," for b in data[at:at + 24]))
        text.append(f"\n    0}};\nconst size_t sn_web_{name}_bytes = {len(data)};\n")
    with open(out, "w", encoding="ascii") as f:
        f.write("".join(text))


main(*sys.argv[1:])

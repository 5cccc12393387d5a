"""Reads back with Python's json what the JSON writer wrote: json_read_back.py EMIT."""
import json
import math
import os
import struct
import subprocess
import sys


def emitted(kind, n, **environment):
    done = subprocess.run([*sys.argv[1:], kind, str(n)], stdout=subprocess.PIPE, check=True,
                          env=dict(os.environ, **environment))
    return done.stdout.decode("utf-8").split("\n")[:-1]


def digits(text):
    """Significant digits of a decimal."""
    mantissa = text.lower().split("e")[0].replace("-", "").replace(".", "")
    return len(mantissa.strip("0")) or 1


def strings(n):
    lines = emitted("strings", n)
    assert len(lines) == n, f"{len(lines)} lines for {n} strings: a line break was not escaped"
    for line in lines:
        given, text = line.split("\t")
        want = bytes.fromhex(given).decode("utf-8", errors="replace")
        assert json.loads(text) == want, f"{given}: {text}"
        for bad in map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]):
            assert bad not in text, f"{given}: {bad!r} is not escaped in {text}"


def doubles(n):
    lines = emitted("doubles", n)
    assert len(lines) == n
    for line in lines:
        given, text = line.split("\t")
        (value,) = struct.unpack("=d", bytes.fromhex(given))
        if not math.isfinite(value):
            assert text == "null", line
            continue
        read = json.loads(text)
        assert float(read) == value and math.copysign(1, float(text)) == math.copysign(1, value), line
        assert digits(text) == digits(repr(value)), f"{line}: {value!r} is shorter"


def documents(n):
    lines = emitted("documents", n)
    assert len(lines) == 2 * n
    for compact, indented in zip(lines[::2], lines[1::2]):
        assert json.loads(compact) == json.loads(indented), compact


def decimal_comma():
    """The same numbers where the C library writes 0,5; skipped where no such locale can be made."""
    try:
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", "./de_DE.UTF-8"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return
    there = {"LC_ALL": "de_DE.UTF-8", "LOCPATH": os.getcwd()}
    assert emitted("doubles", 2000, **there) == emitted("doubles", 2000, LC_ALL="C")


strings(20000)
doubles(50000)
documents(300)
decimal_comma()

#!/usr/bin/python3
"""Makes the corpora of fuzz_image, fuzz_npy and fuzz_yaml, which are in the repository: a small valid file of each
variant, its first two thirds, and every hostile shape that these readers are known to meet. Of corpus/yaml it makes a
part; the rest was written by hand. Needs python3-pil and python3-numpy.

    seed_pipeline.py [DIR]      DIR: where the folders image, npy and yaml are; tests/fuzz/corpus
"""
import io
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")


def put(folder, name, data):
    os.makedirs(os.path.join(OUT, folder), exist_ok=True)
    with open(os.path.join(OUT, folder, name), "wb") as f:
        f.write(data)


def put_twice(folder, name, data):
    """The file, and its first two thirds."""
    put(folder, name, data)
    put(folder, "cut_" + name, data[: len(data) * 2 // 3])


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, color, rows, extra=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def images():
    small = Image.new("RGB", (9, 7))
    small.putdata([(x * 28 % 256, y * 36 % 256, x * y % 256) for y in range(7) for x in range(9)])

    def save(name, image, **options):
        out = io.BytesIO()
        image.save(out, name.rsplit(".")[1].replace("jpg", "jpeg"), **options)
        put_twice("image", name, out.getvalue())

    save("rgb.png", small)
    save("gray.png", small.convert("L"))
    save("bits.png", small.convert("1"))
    save("palette.png", small.quantize(8))
    save("alpha.png", small.convert("RGBA"))
    save("deep.png", Image.fromarray(np.arange(63, dtype=np.uint16).reshape(7, 9) * 1000))
    save("baseline.jpg", small, quality=50)
    save("progressive.jpg", small, quality=50, progressive=True)
    save("gray.jpg", small.convert("L"), quality=50)
    save("cmyk.jpg", small.convert("CMYK"), quality=50)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.jpg", small, quality=50, exif=exif)
    save("lossy.webp", small, quality=50)
    save("lossless.webp", small.convert("RGBA"), lossless=True)
    save("animated.webp", small, save_all=True, append_images=[small.transpose(Image.ROTATE_180)])
    put("image", "bomb_sides.png", png(0x7FFFFFFF, 0x7FFFFFFF, 8, 2, b"\0" * 100))
    put("image", "bomb_area.png", png(60000, 60000, 16, 6, b"\0" * 100))
    put("image", "bomb_one_bit.png", png(65535, 4, 1, 0, b"\0" * 4 * 8193))
    put("image", "bomb_text.png", png(1, 1, 8, 0, b"\0\0", chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 200000))))
    put("image", "bomb_profile.png", png(1, 1, 8, 0, b"\0\0", chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 200000))))
    put("image", "many_chunks.png", png(1, 1, 8, 0, b"\0\0", chunk(b"teSt", b"") * 65))
    put("image", "no_sides.png", png(0, 0, 8, 0, b""))
    put("image", "palette_beyond.png", png(4, 1, 8, 3, b"\0\0\1\2\3", chunk(b"PLTE", b"\1\2\3")))
    put("image", "short_rows.png", png(4, 4, 8, 2, b"\0" * 10))
    base = io.BytesIO()
    small.save(base, "jpeg")
    data = base.getvalue()
    at = data.index(b"\xff\xc0")
    put("image", "bomb_sides.jpg", data[: at + 5] + b"\xff\xff\xff\xff" + data[at + 9 :])
    put("image", "no_sides.jpg", data[: at + 5] + b"\0\0\0\0" + data[at + 9 :])
    # An EXIF directory that says it has 65535 entries, and one that starts outside the segment.
    for name, head in (("many", b"II*\0\x08\0\0\0\xff\xff"), ("outside", b"MM\0*\xff\xff\xff\xff")):
        segment = b"Exif\0\0" + head + b"\0" * 40
        put("image", f"exif_{name}.jpg", data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:])
    put("image", "magic_only.webp", b"RIFF\4\0\0\0WEBP")


def npy(version, descr, fortran, shape, n_data, before=""):
    """A .npy file out of its parts, whatever they say; Python texts."""
    head = f"{{{before}'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + size + head + b"\0" * n_data


def arrays():
    def save(name, array, put=put):
        out = io.BytesIO()
        np.save(out, array)
        put("npy", name + ".npy", out.getvalue())

    for name, kind in (("bool", "?"), ("i8", "i1"), ("i16", "i2"), ("i32", "i4"), ("i64", "i8"), ("u8", "u1"),
                       ("u16", "u2"), ("u32", "u4"), ("u64", "u8"), ("f16", "f2"), ("f64", "f8"), ("c64", "c8"),
                       ("c128", "c16")):
        save(name, np.arange(6).astype(kind).reshape(2, 3))
    save("f32", np.arange(6, dtype="f4").reshape(2, 3), put_twice)
    put("npy", "bf16.npy", npy(1, "'|V2'", False, "(2, 3)", 12))
    save("fortran", np.asfortranarray(np.arange(24, dtype="f4").reshape(2, 3, 4)))
    save("scalar", np.float32(3.5))
    save("nothing", np.zeros((3, 0, 2), "i4"))
    save("big_endian", np.arange(3, dtype=">f4"))
    save("text", np.array(["a", "bc"]))
    save("structured", np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))
    put("npy", "version_2.npy", npy(2, "'|u1'", False, "(3,)", 3))
    put("npy", "version_3.npy", npy(3, "'<f8'", False, "()", 8))
    put("npy", "double_quotes.npy", npy(1, '"<f8"', False, "()", 8))
    put("npy", "key_twice.npy", npy(1, "'<f4'", False, "(1,)", 4, before="'descr': '<f8', "))
    for name, shape in (("empty", "(0, 9223372036854775807)"), ("wraps_to_0", "(4611686018427387904, 4)"),
                        ("wraps_to_1", "(4294967296, 4294967297)"), ("negative", "(-1,)"), ("rank_9", "(" + "1, " * 9 + ")"),
                        ("deep", "(" + "1," * 99 + ")"), ("huge", "(" + "9" * 500 + ",)"), ("unclosed", "(1, 2")):
        put("npy", name + ".npy", npy(1, "'<f4'", True, shape, 16))
    put("npy", "head_4g.npy", b"\x93NUMPY\2\0" + b"\xff" * 4 + b"{}")


def pipelines():
    models = os.path.join(HERE, "..", "..", "models")
    for name in sorted(os.listdir(models)):
        if name.endswith(".yaml"):
            with open(os.path.join(models, name), "rb") as f:
                put("yaml", name, f.read())
    head = "setsuna: 1\nname: t\ninputs: {b: bytes, x: tensor}\nsteps:\n"
    put("yaml", "tensors.yaml", (head + """\
  - slice: {from: x, axis: 2, begin: 1, end: -1, to: s}
  - reshape: {from: x, shape: [6, -1], to: r}
  - transpose: {from: x, order: [1, 2, 0], to: t}
  - concat: {from: [x, x], axis: -1, to: c}
  - cast: {from: c, type: u8, to: u}
outputs: [s, r, t, u]
""").encode())
    put("yaml", "pictures.yaml", (head + """\
  - decode: {from: b, to: p}
  - resize: {from: p, to: q, fit: letterbox, width: 16, height: 9, fill: [1, 2, 3]}
  - turn: {from: q, to: w, angle: 90, taller: 0.5}
  - normalise: {from: w, to: n, order: bgr, layout: nhwc, mean: [1, 2, 3], std: 2}
  - draw: {from: p, to: d}
outputs: [n, d]
""").encode())
    put("yaml", "boxes.yaml", (head + """\
  - decode: {from: b, to: p}
  - reshape: {from: x, shape: [1, 6, 4], to: raw}
  - slice: {from: raw, axis: 2, begin: 0, end: 1, to: scores}
  - ssd_boxes: {boxes: raw, scores: scores, image: p, to: found, width: 6, height: 1, strides: [1], extra_ratio: 0}
  - for_each:
      boxes: found
      as: one
      steps:
        - crop: {from: p, box: one, to: cut}
      collect: {one: all}
  - db_boxes: {map: raw, image: p, to: text}
outputs: [found, all, text]
""").encode())
    put("yaml", "aliases.yaml", b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    put("yaml", "deep_flow.yaml", b"a: " + b"[" * 5000)
    put("yaml", "twice.yaml", b"setsuna: 1\nsetsuna: 1\n")
    put("yaml", "tags.yaml", b"a: !!python/object/apply:os.system ['true']\n")


images()
arrays()
pipelines()

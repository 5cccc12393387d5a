#!/usr/bin/python3
"""Renders the pictures that OCR quality is measured on, and what they say.

    ocr_render.py lines DIR [COUNT]   line-000.png ...: one line of text each
    ocr_render.py pages DIR [COUNT]   page-00.png ...: a page of lines each

DIR/truth.json lists for every picture its file, and for every line in it the text, the font and the box of its ink as
[x0, y0, x1, y1]. 18 fonts of Debian packages in 14 to 28 pixels, dark on light or
light on dark, with noise; 30 % are scaled down after rendering. The same text and layout every time.
Exits with 77 where fonts are missing.
"""
import json
import os
import random
import sys
from statistics import NormalDist

from PIL import Image, ImageChops, ImageDraw, ImageFont

ROOT = "/usr/share/fonts/"
FONTS = [  # package, then files
    ("fonts-dejavu-core", "truetype/dejavu/DejaVuSans.ttf", "truetype/dejavu/DejaVuSerif.ttf",
     "truetype/dejavu/DejaVuSans-Bold.ttf", "truetype/dejavu/DejaVuSansMono.ttf"),
    ("fonts-liberation", "truetype/liberation/LiberationSans-Regular.ttf",
     "truetype/liberation/LiberationSerif-Regular.ttf", "truetype/liberation/LiberationMono-Regular.ttf",
     "truetype/liberation/LiberationSans-Bold.ttf", "truetype/liberation/LiberationSansNarrow-Regular.ttf"),
    ("fonts-freefont-ttf", "truetype/freefont/FreeSans.ttf", "truetype/freefont/FreeSerif.ttf",
     "truetype/freefont/FreeMono.ttf", "truetype/freefont/FreeSerifBold.ttf"),
    ("fonts-lato", "truetype/lato/Lato-Regular.ttf"),
    ("fonts-open-sans", "truetype/open-sans/OpenSans-Regular.ttf"),
    ("fonts-roboto-unhinted", "truetype/roboto/unhinted/RobotoTTF/Roboto-Regular.ttf"),
    ("fonts-crosextra-carlito", "truetype/crosextra/Carlito-Regular.ttf"),
    ("fonts-crosextra-caladea", "truetype/crosextra/Caladea-Regular.ttf"),
]

SUBJECTS = """the engineer|a small kernel|our pipeline|the scheduler|every request|this model|the old printer|her letter|
a new neighbour|the night train|my grandmother|the river|a quiet village|the committee|his answer|the weather report|
an early visitor|the blue notebook|the long corridor|a careful reader""".replace("\n", "").split("|")
VERBS = """waits for|measures|explains|forgets|returns to|describes|replaces|carries|follows|improves|questions|
remembers|records|finishes|crosses|opens|repairs|counts|visits|protects""".replace("\n", "").split("|")
OBJECTS = """the last message|a warm cup of tea|the second result|an empty buffer|the open window|two hundred pages|
the missing key|a simple rule|the market square|the first snow|a difficult decision|the whole table|every microsecond|
the northern road|a broken clock|the next station|an honest number|the garden wall|a sheet of paper|the morning light
""".replace("\n", "").split("|")
TAILS = """before noon|without a word|in the rain|again|at 09:45|for 12 days|on May 17|near the harbour|after 3 hours|
at room 214|with great care|in July 1998|as expected|once more|for 25 euros|by 2030""".replace("\n", "").split("|")


def sentence(rng):
    text = f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)}"
    if rng.random() < 0.5:
        text += " " + rng.choice(TAILS)
    return text[0].upper() + text[1:] + rng.choice(["", ".", ".", "!", "?"])


def find_fonts():
    missing = [p[0] for p in FONTS if not all(os.path.exists(ROOT + f) for f in p[1:])]
    if missing:  # another choice of fonts would be another test
        print("ocr_render: fonts are missing: apt-get install " + " ".join(missing))
        sys.exit(77)
    return [ROOT + f for package in FONTS for f in package[1:]]


def colours(rng):
    """Ink and paper, at least 120 levels apart."""
    ink, paper = rng.randint(0, 70), rng.randint(190, 255)
    tint = [rng.randint(-15, 15) for _ in range(3)]
    ink, paper = tuple(max(0, ink + t) for t in tint), tuple(min(255, paper + t) for t in tint)
    return (paper, ink) if rng.random() < 0.1 else (ink, paper)


def add_noise(image, sigma, rng):
    if sigma < 1:
        return image
    # Pillow's own noise is not seeded. A random byte becomes a normal value through the quantiles of the distribution.
    quantile = [round(128 + NormalDist(0, sigma).inv_cdf((i + 0.5) / 256)) for i in range(256)]
    noise = Image.frombytes("L", image.size, rng.randbytes(image.width * image.height)).point(quantile)
    noise = Image.merge("RGB", (noise, noise, noise))
    return ImageChops.add(image, noise, 1, -128)


def ink_box(font, at, text):
    x0, y0, x1, y1 = font.getbbox(text)
    return [at[0] + x0, at[1] + y0, at[0] + x1, at[1] + y1]


def shrink(image, boxes, factor):
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    fx, fy = size[0] / image.width, size[1] / image.height
    boxes = [[b[0] * fx, b[1] * fy, b[2] * fx, b[3] * fy] for b in boxes]
    return image.resize(size, Image.BILINEAR), boxes


def render_line(rng, fonts):
    path, size, text = rng.choice(fonts), rng.randint(14, 28), sentence(rng)
    down = rng.random() < 0.3
    font = ImageFont.truetype(path, size)
    ink, paper = colours(rng)
    x0, y0, x1, y1 = font.getbbox(text)
    margin = [rng.randint(1, 5) for _ in range(4)]  # as a detector cuts lines out
    image = Image.new("RGB", (x1 - x0 + margin[0] + margin[2], y1 - y0 + margin[1] + margin[3]), paper)
    at = (margin[0] - x0, margin[1] - y0)
    ImageDraw.Draw(image).text(at, text, font=font, fill=ink)
    boxes = [ink_box(font, at, text)]
    if down:
        image, boxes = shrink(image, boxes, rng.uniform(0.7, 0.9))
    image = add_noise(image, rng.uniform(0, 10), rng)
    return image, [{"text": text, "font": os.path.basename(path), "size": size, "box": boxes[0]}]


def render_page(rng, fonts):
    width, height = rng.choice([(960, 720), (800, 1000), (1240, 900), (720, 540)])
    ink, paper = colours(rng)
    image = Image.new("RGB", (width, height), paper)
    draw, lines, boxes, y = ImageDraw.Draw(image), [], [], rng.randint(20, 50)
    while True:
        path, size, text = rng.choice(fonts), rng.randint(14, 28), sentence(rng)
        font = ImageFont.truetype(path, size)
        x0, y0, x1, y1 = font.getbbox(text)
        x = rng.randint(20, max(20, min(width // 4, width - 20 - x1)))
        if y + y1 + 20 > height:
            break
        if x + x1 + 10 < width:
            draw.text((x, y), text, font=font, fill=ink)
            boxes.append(ink_box(font, (x, y), text))
            lines.append({"text": text, "font": os.path.basename(path), "size": size})
        y += y1 + rng.randint(size // 2, 3 * size)
    if rng.random() < 0.3:
        image, boxes = shrink(image, boxes, rng.uniform(0.7, 0.9))
    image = add_noise(image, rng.uniform(0, 10), rng)
    for line, box in zip(lines, boxes):
        line["box"] = box
    return image, lines


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in ("lines", "pages"):
        sys.exit(__doc__)
    kind, folder = sys.argv[1], sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) == 4 else {"lines": 320, "pages": 20}[kind]
    fonts, truth = find_fonts(), []
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        rng = random.Random(f"setsuna {kind} {i}")
        # Every font appears: the first lines walk through them.
        image, lines = render_line(rng, [fonts[i % len(fonts)]]) if kind == "lines" else render_page(rng, fonts)
        name = f"line-{i:03}.png" if kind == "lines" else f"page-{i:02}.png"
        image.save(os.path.join(folder, name))
        truth.append({"file": name, "lines": lines})
    with open(os.path.join(folder, "truth.json"), "w", encoding="utf-8") as f:
        json.dump(truth, f, indent=1)


main()

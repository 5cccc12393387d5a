#!/bin/sh
# The pictures of the demo: the rendered page and the photographed-looking one must be read, in every format that can be
# read, upright and upside down, and the annotated picture must come out.
set -eu
setsuna=$SETSUNA_BUILD_DIR/setsuna
models=$SETSUNA_SOURCE_DIR/models
examples=$SETSUNA_SOURCE_DIR/examples
python=/usr/bin/python3

for file in ppocr-v4-det.onnx ppocr-v4-rec.onnx ppocr-v2-cls.onnx ppocr-keys.txt; do
    [ -f "$models/cache/$file" ] || { echo "skipped: no models/cache/$file; run scripts/deps" && exit 77; }
done
failed=0

# reads PICTURE LINE...: these lines must be among what is read.
reads() {
    picture=$1
    shift
    "$setsuna" run "$models/ppocr.yaml" "$picture" --output-dir out >read.txt
    for line in "$@"; do
        grep -qF "$line" read.txt || {
            echo "FAILED: $picture: '$line' was not read"
            sed 's/^/  /' read.txt
            failed=1
        }
    done
}

title='The shortest instant'
first='Every prediction is a ledger'
last='and what cannot be explained is printed'
reads "$examples/page.png" "$title" "$first" "$last"
reads "$examples/photo.jpg" "$title" 'The stages, the waits' "$last" 'Where did 33 milliseconds go' 'Page 1 of 1'
[ -s out/annotated.png ] || { echo "FAILED: no annotated picture" && failed=1; }

if $python -c 'import PIL' 2>/dev/null; then
    $python - "$examples/page.png" <<'PY'
import sys
from PIL import Image
page = Image.open(sys.argv[1]).convert("RGB")
page.save("page.webp", quality=80)
page.save("progressive.jpg", quality=85, progressive=True)
page.convert("L").save("gray.png")
page.quantize(16).save("palette.png")
page.rotate(180).save("turned.png")
page.rotate(7, expand=True, fillcolor="white", resample=Image.BICUBIC).save("tilted.png")
exif = Image.Exif()
exif[0x0112] = 6  # stored turned: shown after a quarter turn clockwise
page.rotate(90, expand=True).save("exif.jpg", quality=90, exif=exif)
PY
    for picture in page.webp progressive.jpg gray.png palette.png turned.png tilted.png exif.jpg; do
        reads "$picture" "$title" "$first"
    done
fi

# What is wrong with an input is said with its name, and nothing is left behind.
rm -rf bad
head -c 2000 "$examples/page.png" >short.png
for picture in short.png /dev/null no-such-file.png "$examples/../README.md"; do
    if "$setsuna" run "$models/ppocr.yaml" "$picture" --output-dir bad >out.txt 2>err.txt; then
        echo "FAILED: $picture was accepted" && failed=1
    fi
    grep -qF "$picture" err.txt || { echo "FAILED: the message does not name $picture: $(cat err.txt)" && failed=1; }
done
[ -z "$(ls bad 2>/dev/null)" ] || { echo "FAILED: files were left: $(ls bad)" && failed=1; }
exit $failed

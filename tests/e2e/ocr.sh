#!/bin/sh
# OCR on real pictures through the real command: character error rate and detection F1 on rendered lines and pages, and
# pages in other formats and positions. OCR_LINES and OCR_PAGES make it smaller; the limits then mean little and are
# not asked for.
set -eu
setsuna=$SETSUNA_BUILD_DIR/setsuna
models=$SETSUNA_SOURCE_DIR/models
here=$SETSUNA_SOURCE_DIR/tests/e2e
python=/usr/bin/python3 # Debian's, which sees python3-pil

for file in ppocr-v4-det.onnx ppocr-v4-rec.onnx ppocr-v2-cls.onnx ppocr-keys.txt; do
    [ -f "$models/cache/$file" ] || { echo "skipped: no models/cache/$file; run scripts/deps" && exit 77; }
done
$python -c 'import PIL' 2>/dev/null || { echo "skipped: apt-get install python3-pil" && exit 77; }

rm -rf lines pages
$python "$here/ocr_render.py" lines lines ${OCR_LINES:-}
$python "$here/ocr_render.py" pages pages ${OCR_PAGES:-}

limits_lines='--max-cer 0.035'
limits_pages='--max-cer 0.035 --min-f1 0.92'
[ -z "${OCR_LINES:-}" ] || limits_lines=
[ -z "${OCR_PAGES:-}" ] || limits_pages=

"$setsuna" run "$models/ppocr-line.yaml" lines/*.png --json >lines.json
$python "$here/ocr_score.py" lines/truth.json lines.json $limits_lines
"$setsuna" run "$models/ppocr.yaml" pages/*.png --json >pages.json
$python "$here/ocr_score.py" pages/truth.json pages.json $limits_pages

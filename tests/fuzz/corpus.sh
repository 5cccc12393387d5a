#!/bin/sh
# The corpora have what their generators make: corpus.sh SEED_ONNX HOSTILE_ONNX. Files above 64 KiB stay out of them.
set -u
corpus=$SETSUNA_SOURCE_DIR/tests/fuzz/corpus
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

rm -rf made && mkdir -p made/onnx made/onnx_tensor
"$1" made || fail "$1"
"$2" --write made/onnx >/dev/null || fail "$2"

find made -type f -size -129 | sort >list # in blocks of 512 bytes
while read -r file; do
    cmp -s "$file" "$corpus/${file#made/}" || fail "${file#made/} is not in tests/fuzz/corpus, or is another there"
done <list
echo "$(wc -l <list) files made"
[ -z "$(find "$corpus" -type f -size +128)" ] || fail "larger than 64 KiB: $(find "$corpus" -type f -size +128)"
exit $failed

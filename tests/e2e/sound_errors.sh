#!/bin/sh
# What is no sound is refused with a message that names the file and the reason, and leaves nothing behind.
set -u
setsuna=$SETSUNA_BUILD_DIR/setsuna
models=$SETSUNA_SOURCE_DIR/models
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

# refused FILE REASON: exit code 1, FILE and REASON in the message, no output.
refused() {
    "$setsuna" run "$models/silero-vad.yaml" "$1" --output-dir out >stdout 2>stderr
    code=$?
    [ $code -eq 1 ] || fail "$1: exit code $code"
    grep -qF -- "$1" stderr || fail "$1 is not named in: $(cat stderr)"
    grep -qF -- "$2" stderr || fail "'$2' is not said in: $(cat stderr)"
    [ -z "$(ls out 2>/dev/null)" ] || fail "$1 left $(ls out)"
    rm -rf out
}

# wav SIZE DECLARED: a header of 16 kHz, mono, 16 bits that declares DECLARED bytes, and SIZE bytes of silence. Numbers
# are octal escapes of the little-endian bytes.
wav() {
    printf 'RIFF\000\000\000\000WAVEfmt \020\000\000\000\001\000\001\000\200\076\000\000\000\175\000\000\002\000\020\000data'
    printf "$2"
    head -c "$1" /dev/zero
}

wav 64000 '\000\372\000\000' >good.wav
wav 60000 '\000\372\000\000' >cut.wav
wav 0 '\000\372\000\000' >header.wav
echo "not a sound" >text.wav
: >empty.wav

"$setsuna" run "$models/silero-vad.yaml" good.wav --output-dir out >stdout 2>stderr || fail "good.wav: $(cat stderr)"
[ -f out/probabilities.npy ] || fail "good.wav: no probabilities.npy"
rm -rf out

refused cut.wav "its header promises 64000 bytes of samples, 60000 are there"
refused header.wav "cut short"
refused text.wav "not a WAV, FLAC or Ogg file"
refused empty.wav "not a WAV, FLAC or Ogg file"
refused absent.wav "absent.wav"
exit $failed

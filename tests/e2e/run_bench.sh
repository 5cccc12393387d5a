#!/bin/sh
# `setsuna run` and `setsuna bench` as a user meets them: outputs, files, JSON by its schema, and what is said when things
# go wrong: exit codes, messages that name the place, nothing partial left behind.
set -u
setsuna=$SETSUNA_BUILD_DIR/setsuna
source=$SETSUNA_SOURCE_DIR
cases=/usr/share/libonnx-testdata/data/node
validate="python3 $source/tests/unit/report/json_schema.py"
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

# refuse CODE PATTERN COMMAND...: the exit code, and a line on standard error that must be there; no crash.
refuse() {
    want=$1 pattern=$2
    shift 2
    "$@" >stdout 2>stderr </dev/null
    code=$?
    [ $code -eq "$want" ] && grep -q -e "$pattern" stderr && return
    fail "$*: exit code $code (want $want), want /$pattern/ in"
    sed 's/^/  /' stderr
}

# ---- what works ----
"$setsuna" bench $cases/test_conv_with_strides_padding/model.onnx --runs 50 --json >bench.json ||
    fail "bench --json"
$validate "$source/docs/bench.schema.json" <bench.json || fail "bench --json does not follow its schema"
"$setsuna" bench $cases/test_relu/model.onnx --runs 20 >bench.txt || fail "bench"
grep -q '^wall ' bench.txt && grep -q '^unexplained ' bench.txt && grep -q 'nearest rank' bench.txt || fail "bench's table"

# Schedules: by the schema; the parts of a latency; late frames; what is wrong is said before the model is opened.
model=$cases/test_conv_with_strides_padding/model.onnx
for schedule in poisson:2000/s gamma:2000/s,cv=3 idle:0,100us burst:1,4,every=2ms closed:3 frames:1000/s multi-stream:4 \
    single-stream server:1000/s offline:500 onoff:3000/s,on=10ms,off=10ms ramp:100/s..3000/s,over=50ms \
    step:1000/s@20ms,2000/s@20ms; do
    "$setsuna" bench $model --schedule $schedule --deadline 50ms --duration 100ms --json >schedule.json ||
        fail "bench --schedule $schedule"
    $validate "$source/docs/bench.schema.json" <schedule.json || fail "--schedule $schedule does not follow the schema"
    python3 -c '
import json, sys
r = json.load(open("schedule.json"))
s, n = r["schedule"], r["runs"]
assert s["text"] == sys.argv[1] and n > 0 and s["deadline_ns"] == 50000000 and s["late"] <= n
parts = s["queue_ns"]["mean"] + s["send_lag_ns"]["mean"] + s["service_ns"]["mean"]
assert abs(parts - r["latency_ns"]["mean"]) <= 1e-9 * parts, (parts, r["latency_ns"]["mean"])
assert ("scenario" in s) == (s["text"].split(":")[0] in ("multi-stream", "single-stream", "server", "offline"))
assert not s.get("scenario", {}).get("valid")
assert len(s["points"]) == (2 if s["text"][:4] in ("idle", "burs") else 0)
if s["text"] == "offline:500":
    assert n == 500
' $schedule || fail "--schedule $schedule says nonsense"
done
printf '1700000000.5\n1700000000.5\n1700000000.52\n' >arrivals.txt
"$setsuna" bench $model --schedule trace:arrivals.txt --json >schedule.json && grep -q '"runs": 3,' schedule.json ||
    fail "bench --schedule trace"
"$setsuna" bench $model --schedule closed:2 --runs 5 --json >schedule.json && grep -q '"runs": 5,' schedule.json ||
    fail "bench --schedule closed:2 --runs 5"
"$setsuna" bench $model --schedule constant:50000000/s --duration 50ms >overload.txt && grep -q OVERLOADED overload.txt ||
    fail "an overload is not said"
refuse 1 'at character 9: wants a rate' "$setsuna" bench /does/not/exist --schedule poisson:often
refuse 1 'wants one of closed' "$setsuna" bench $model --schedule sometimes
refuse 1 'only with one request in flight, at one rate' "$setsuna" bench $model --schedule closed:2 --explain
refuse 1 'gone.txt' "$setsuna" bench $model --schedule trace:gone.txt
printf '2\n1\n' >falls.txt
refuse 1 'line 2: this time is before' "$setsuna" bench $model --schedule trace:falls.txt

# Why the slow ones were slow: by the schema, closed books, and less where less is permitted.
for schedule in "" "--schedule poisson:1000/s" "--schedule idle:0,1ms" "--schedule multi-stream:4" \
    "--schedule frames:200/s"; do
    # shellcheck disable=SC2086 # words
    "$setsuna" bench $model --duration 200ms --explain --json $schedule >causes.json || fail "bench --explain $schedule"
    $validate "$source/docs/bench.schema.json" <causes.json || fail "--explain $schedule does not follow the schema"
    python3 -c '
import json
r = json.load(open("causes.json"))
c = r["causes"]
assert c["explained"] == r["runs"] == sum(band["requests"] for band in c["bands"])
for row in c["bands"] + c["worst"]:
    parts = row["predicted_compute_ns"] + row["predicted_queue_ns"] + sum(row["causes_ns"].values())
    assert abs(parts - row["wall_ns"]) <= 1e-9 * row["wall_ns"], row
walls = sum(band["wall_ns"] * band["requests"] for band in c["bands"])
assert abs(walls / r["runs"] - r["latency_ns"]["mean"]) <= 1e-9 * r["latency_ns"]["mean"]
assert c["residual_p99_ns"] <= max(5000, r["latency_ns"]["p50"] // 100), c["residual_p99_ns"]
' || fail "--explain $schedule says nonsense"
done
"$setsuna" bench $model --runs 200 --explain >causes.txt && grep -q '^why the slow ones were slow' causes.txt &&
    grep -q '^predicted compute ' causes.txt && grep -q '^as predicted ' causes.txt && grep -q '^seen: ' causes.txt ||
    fail "bench --explain's tables"

# The steps: by the schema, every one with a time; sorted by gap; with a roofline that is given.
"$setsuna" bench $cases/test_conv_with_strides_padding/model.onnx --runs 20 --per-op --json >per_op.json ||
    fail "bench --per-op --json"
$validate "$source/docs/bench.schema.json" <per_op.json || fail "bench --per-op --json does not follow its schema"
python3 -c '
import json, sys
p = json.load(open("per_op.json"))["per_op"]
assert p["timed_runs"] == 20 and p["roofline"]["source"] == "measured" and p["steps"]
assert all(s["min_ns"] <= s["p50_ns"] and s["bound_ns"] > 0 for s in p["steps"])
assert sum(s["p50_ns"] for s in p["steps"]) < 2 * p["timed_p50_ns"]
' || fail "bench --per-op says nonsense"
"$setsuna" bench $cases/test_matmul_3d/model.onnx --runs 20 --sort gap --roofline 100,10 >per_op.txt ||
    fail "bench --sort gap"
grep -q '^ *0  MatMul ' per_op.txt && grep -q '^Roofline (given): 100 GFLOP/s; reading 10 GB/s' per_op.txt ||
    fail "bench's table of steps"
refuse 2 'neither plan, time nor gap' "$setsuna" bench $cases/test_relu/model.onnx --sort size
refuse 2 'wants GFLOP/s,GB/s' "$setsuna" bench $cases/test_relu/model.onnx --roofline 100
refuse 2 'wants GFLOP/s,GB/s' "$setsuna" bench $cases/test_relu/model.onnx --roofline 100,-3
refuse 1 'for models, not for pipelines' "$setsuna" bench "$source/models/ppocr.yaml" "$source/examples/page.png" \
    --runs 1 --warmup 0 --per-op

case=$cases/test_matmul_3d
"$setsuna" run $case/model.onnx --input a=$case/test_data_set_0/input_0.pb --input b=$case/test_data_set_0/input_1.pb \
    --output-dir out --json >run.json || fail "run with .pb inputs"
$validate "$source/docs/run.schema.json" <run.json || fail "run --json does not follow its schema"
/usr/bin/python3 - "$case" <<'PY' || fail "the output of run is wrong"
import sys
import numpy as np
got = np.load("out/c.npy")
proto = open(sys.argv[1] + "/test_data_set_0/output_0.pb", "rb").read()
want = np.frombuffer(proto[proto.index(b"J", 4):][-got.nbytes:], dtype=got.dtype)  # raw_data comes last
sys.exit(not np.allclose(got.ravel(), want, rtol=1e-3, atol=1e-7))
PY
# bf16: emulated by the reference, so that any machine can; the error against f32 is there and small, but not zero.
"$setsuna" bench $cases/test_conv_with_strides_padding/model.onnx --cpu ref --precision bf16 --runs 5 --json >bf16.json ||
    fail "bench --precision bf16"
$validate "$source/docs/bench.schema.json" <bf16.json || fail "bench --precision bf16 --json does not follow its schema"
"$setsuna" bench $cases/test_matmul_2d/model.onnx --cpu ref --precision bf16 --runs 5 --json >matmul.json &&
    grep -q '"precision": "bf16"' matmul.json || fail "bench --precision bf16 of a product"
"$setsuna" bench $cases/test_relu/model.onnx --cpu ref --precision bf16 --runs 5 >bf16.txt
grep -q '^error against f32' bf16.txt && grep -q ' max 0, 0 of the largest' bf16.txt || fail "Relu is the same in bf16"
"$setsuna" bench $cases/test_qlinearconv/model.onnx --cpu ref --precision bf16 --runs 5 >quantised.txt
grep -q ' max 0, 0 of the largest' quantised.txt || fail "what is quantised is the same with bf16"

# A plan cache is written, read without a word, and made anew with one when it is damaged.
wake=$source/models/cache/openwakeword-hey-jarvis.onnx
if [ -f "$wake" ]; then
    rm -rf plans
    mkdir plans
    for start in first second damaged mended; do
        [ $start = damaged ] && chmod u+w plans/* && echo x >>"$(echo plans/*.plan)"
        "$setsuna" run "$wake" --plan-cache plans 2>said.txt | grep 'f32\[' >$start.txt || fail "run --plan-cache"
        case $start$(cat said.txt) in
        "damagedsetsuna: the plan cache plans/"*" is made anew: it is not as long as it says") ;;
        first | second | mended) ;;
        *) fail "the $start run --plan-cache said: $(cat said.txt)" ;;
        esac
        cmp -s first.txt $start.txt || fail "the $start run --plan-cache gave another answer"
    done
    refuse 1 'no folder for a plan cache' "$setsuna" bench "$wake" --plan-cache nowhere --runs 1
fi

# An output read back as an input.
"$setsuna" run $cases/test_relu/model.onnx --shape x=3,4,5 --output-dir out >/dev/null || fail "run with --shape"
"$setsuna" run $cases/test_relu/model.onnx --input x=out/y.npy --output-dir out2 >/dev/null || fail "run with .npy"
cmp -s out/y.npy out2/y.npy || fail "Relu of a Relu must be itself"

# The option reaches the plan: with it no step is a Winograd product, without it this model has some (where the level has).
lines=$source/models/cache/mlsd-320-tiny.onnx
if [ -f "$lines" ]; then
    "$setsuna" inspect "$lines" --steps --no-winograd >direct.txt || fail "inspect --no-winograd"
    grep -q winograd direct.txt && fail "--no-winograd left Winograd products"
    "$setsuna" inspect "$lines" --steps >steps.txt || fail "inspect --steps"
    grep -q conv_dense_ref steps.txt || grep -q winograd steps.txt || fail "no Winograd products by default"
fi
for command in run "bench --runs 10"; do
    "$setsuna" $command $cases/test_relu/model.onnx --shape x=3,4,5 --no-winograd >/dev/null || fail "$command --no-winograd"
done

# ---- bad words ----
refuse 2 'which model or pipeline' "$setsuna" run
refuse 2 'unknown option' "$setsuna" bench $cases/test_relu/model.onnx --nonsense
refuse 2 'no level "avx9"' "$setsuna" bench $cases/test_relu/model.onnx --cpu avx9
refuse 2 'neither f32 nor bf16' "$setsuna" run $cases/test_relu/model.onnx --precision f16
case $(uname -m) in
aarch64) level=neon ;;
*) level=avx2 ;;
esac
refuse 1 "level $level has no bf16 arithmetic" "$setsuna" run $cases/test_relu/model.onnx --precision bf16 --cpu $level
refuse 1 "for the native engine" "$setsuna" run $cases/test_relu/model.onnx --precision bf16 --engine onnxruntime
refuse 1 'not an engine' "$setsuna" bench $cases/test_relu/model.onnx --engine tensorflow
refuse 1 'no input "nonsense"' "$setsuna" bench $cases/test_relu/model.onnx --shape nonsense=1
refuse 1 'is not a shape' "$setsuna" bench $cases/test_relu/model.onnx --shape x=1,two
refuse 1 'the input is f32\[2\], the model wants f32\[3,4,5\]' "$setsuna" bench $cases/test_relu/model.onnx --shape x=2

# ---- bad files ----
refuse 1 '^setsuna: missing.onnx: cannot open' "$setsuna" run missing.onnx
refuse 1 '^setsuna: missing.yaml: cannot open' "$setsuna" run missing.yaml page.png
refuse 1 'not a regular file' "$setsuna" run "$PWD"
: >empty.onnx
refuse 1 'empty.onnx' "$setsuna" run empty.onnx
head -c 60 $cases/test_conv_with_strides_padding/model.onnx >cut.onnx
refuse 1 'cut.onnx' "$setsuna" run cut.onnx
head -c 4096 /dev/urandom >noise.onnx
refuse 1 'noise.onnx' "$setsuna" run noise.onnx
printf 'setsuna: 1\nname: bad\ninputs: {p: bytes}\noutputs: []\nsteps:\n  - frobnicate: {}\n' >bad.yaml
refuse 1 'bad.yaml:6' "$setsuna" run bad.yaml page.png
head -c 200 out/y.npy >cut.npy
refuse 1 'cut.npy' "$setsuna" run $cases/test_relu/model.onnx --input x=cut.npy
refuse 1 'test_if_seq/model.onnx' "$setsuna" run $cases/test_if_seq/model.onnx

# ---- standard input ----
cat >small.yaml <<'END'
setsuna: 1
name: small
inputs: {picture: bytes}
steps:
  - decode: {from: picture, to: photo}
  - resize: {from: photo, to: small, fit: stretch, width: 8, height: 8}
  - normalise: {from: small, to: x, mean: 0.5, std: 0.5}
outputs: [x]
END
cat "$source/examples/page.png" | "$setsuna" run small.yaml - --output-dir piped >/dev/null || fail "a picture in a pipe"
"$setsuna" run small.yaml "$source/examples/page.png" --output-dir named >/dev/null || fail "a picture in a file"
cmp piped/x.npy named/x.npy || fail "a picture in a pipe is not the one in a file"
refuse 1 '^setsuna: standard input: not a JPEG' "$setsuna" run small.yaml - </dev/null

# ---- nowhere to write ----
refuse 1 'cannot make the folder' "$setsuna" run $cases/test_relu/model.onnx --output-dir /proc/nowhere
# A file that may not grow beyond a block: the write fails half-way, and nothing of it stays.
sh -c 'ulimit -f 4; exec "$@"' sh "$setsuna" run $cases/test_averagepool_2d_default/model.onnx --output-dir big \
    >stdout 2>stderr
code=$?
{ [ $code -eq 1 ] && grep -q '^setsuna: big/y.npy: cannot write' stderr && [ -z "$(ls -A big)" ]; } ||
    fail "a write that fails half-way: exit code $code, left: $(ls -A big)"
if [ -c /dev/full ]; then
    "$setsuna" bench $cases/test_relu/model.onnx --runs 10 >/dev/full 2>stderr && fail "a full disk was not noticed"
    grep -q 'standard output' stderr || fail "a full disk was not named"
fi

# ---- killed in the middle: a report of what was measured, and nothing partial ----
"$setsuna" bench $cases/test_relu/model.onnx --duration 30s >interrupted.txt 2>&1 &
pid=$!
sleep 1
kill -INT $pid
wait $pid || fail "an interrupted bench must report what it has"
grep -q 'interrupted: this is the part that was measured' interrupted.txt || fail "an interrupted bench must say so"
exit $failed

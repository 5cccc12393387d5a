#!/bin/sh
# The history as a user meets it: what bench keeps, where, and what is said when it cannot; listing, showing, tagging,
# exporting, removing; pages of it.
set -u
setsuna=$SETSUNA_BUILD_DIR/setsuna
source=$SETSUNA_SOURCE_DIR
model=/usr/share/libonnx-testdata/data/node/test_relu/model.onnx
validate="python3 -B $source/tests/unit/report/json_schema.py"
failed=0
rm -rf data home named.db* model.onnx *.html *.txt
XDG_DATA_HOME=$PWD/data
export XDG_DATA_HOME
db=$XDG_DATA_HOME/setsuna/history.db

fail() {
    echo "FAILED: $*"
    failed=1
}

# refuse CODE PATTERN COMMAND...: the exit code, and a line on standard error that must be there.
refuse() {
    want=$1 pattern=$2
    shift 2
    "$@" >stdout 2>stderr </dev/null
    code=$?
    [ $code -eq "$want" ] && grep -q -e "$pattern" stderr && return
    fail "$*: exit code $code (want $want), want /$pattern/ in"
    sed 's/^/  /' stderr
}

# ---- before anything was kept ----
"$setsuna" history >list.txt && grep -q 'no run was kept yet' list.txt || fail "an empty history"
refuse 1 'no history there' "$setsuna" history show last
refuse 1 'no history there' "$setsuna" report
[ ! -e data ] || fail "looking made a history"

# ---- what bench keeps ----
"$setsuna" bench $model --runs 50 >one.txt || fail "bench"
grep -q '^kept as run 1: setsuna history show 1$' one.txt || fail "bench does not say where the run went"
"$setsuna" bench $model --runs 60 --json --tag 'it'\''s <b>' --tag nightly >two.json || fail "bench --json --tag"
$validate "$source/docs/bench.schema.json" <two.json || fail "bench --json with a history does not follow its schema"
"$setsuna" bench $model --runs 10 --no-history >none.txt && ! grep -q 'kept as' none.txt || fail "--no-history"
SETSUNA_NO_HISTORY=1 "$setsuna" bench $model --runs 10 >none.txt && ! grep -q 'kept as' none.txt || fail "SETSUNA_NO_HISTORY"
"$setsuna" bench $model --schedule poisson:2000/s --duration 100ms --explain >three.txt || fail "bench --schedule"
[ "$(stat -c %a data/setsuna)" = 700 ] || fail "the history is for everybody to read"
"$setsuna" history >list.txt || fail "history"
[ "$(grep -c 'model.onnx *native' list.txt)" = 3 ] || fail "three runs are kept"
head -n 3 list.txt | tail -n 1 | grep -q '^ *3 ' || fail "the newest run is not the first"
"$setsuna" history list --json >list.json && $validate "$source/docs/history.schema.json" <list.json ||
    fail "history list --json does not follow its schema"
python3 - <<'PY' || fail "history list --json says nonsense"
import json
runs = json.load(open("list.json"))["runs"]
two = json.load(open("two.json"))
assert [r["id"] for r in runs] == [3, 2, 1] and not any(r["partial"] for r in runs)
assert runs[1]["tags"] == ["it's <b>", "nightly"] and runs[1]["requests"] == 60
assert runs[1]["p50_ns"] == two["latency_ns"]["p50"] and runs[1]["p99_ns"] == two["latency_ns"]["p99"]
assert "--tag 'it'\\''s <b>' --tag nightly" in runs[1]["command"], runs[1]["command"]
assert runs[0]["time_ns"] > runs[1]["time_ns"] > 1.7e18
PY

# The command line is one that a shell understands: run again, it gives the same tags.
"$setsuna" history list --json --tag nightly >tagged.json
python3 -c 'import json; print(json.load(open("tagged.json"))["runs"][0]["command"])' >again.sh
PATH=$SETSUNA_BUILD_DIR:$PATH sh again.sh >/dev/null || fail "the kept command does not run"
[ "$("$setsuna" history list --tag "it's <b>" | grep -c model.onnx)" = 2 ] || fail "the kept command is another one"

# ---- looking again ----
"$setsuna" history show last-1 >show.txt || fail "history show"
grep -q '^run *3$' show.txt && grep -q '^wall ' show.txt && grep -q '^unexplained ' show.txt && grep -q '^slowest' show.txt ||
    fail "history show tells no ledger"
"$setsuna" history export 1 3 --format json >export.json && $validate "$source/docs/history.schema.json" <export.json ||
    fail "history export --format json does not follow its schema"
"$setsuna" history export 1 3 >export.csv || fail "history export"
python3 - <<'PY' || fail "history export says nonsense"
import csv, json, math
runs = {r["id"]: r for r in json.load(open("export.json"))["runs"]}
rows = list(csv.DictReader(open("export.csv")))
for id, run in runs.items():
    mine = [r for r in rows if int(r["run"]) == id]
    columns = run["log"]["columns"]
    assert len(mine) == run["log"]["rows"] == run["log"]["requests"] == run["requests"]
    for name, values in columns.items():
        assert [int(r[name]) for r in mine] == values, name
    latency = sorted(e - d for e, d in zip(columns["end_ns"], columns["due_ns"]))
    assert latency[math.ceil(0.5 * len(latency)) - 1] == run["result"]["latency_ns"]["p50"] == run["p50_ns"]
    assert run["passport"]["setsuna"] == run["result"]["setsuna"]
assert any(r["log"]["columns"].get("queue_ns") for r in runs.values()), "nobody waited in 100 ms of poisson:2000/s"
PY
"$setsuna" history tag 1 'a b' && "$setsuna" history tag 1 'a b' && "$setsuna" history list --tag 'a b' | grep -q '^ *1 ' ||
    fail "history tag"
[ "$("$setsuna" history list --limit 2 | grep -c model.onnx)" = 2 ] || fail "--limit"
[ "$("$setsuna" history list --since 1h | grep -c model.onnx)" = 4 ] || fail "--since 1h"
"$setsuna" history list --since 2100-01-31T09:00 | grep -q 'no such run' || fail "--since in the future"
"$setsuna" history list --target nothing-like-it | grep -q 'no such run' || fail "--target"
"$setsuna" history list --target test_relu | grep -q model.onnx || fail "--target of a folder"

# ---- pages ----
"$setsuna" report 1 3 -o two.html >said.txt && grep -qx 'two.html' said.txt || fail "report"
"$setsuna" report --output - --lang ja >ja.html || fail "report to standard output"
"$setsuna" bench $model --runs 20 --no-history --report bench.html >/dev/null || fail "bench --report"
for page in two.html ja.html bench.html; do
    python3 - $page <<'PY' || fail "$page"
import json, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
assert "<" not in data
page = json.loads(data)
assert text.count("<script") == 2 and "default-src 'none'" in text
assert not re.search(r'(src|href)=.?https?:', text), "it asks for something else"
for run in page["runs"]:
    log, mean = run["log"], run["log"]["mean"]
    assert abs(sum(mean["stages_ns"]) - mean["mean_ns"]) <= 1e-9 * mean["mean_ns"]
    assert sum(b["n"] for b in log["bands"]) == log["served"] == run["requests"]
    total = sum(b["n"] * b["mean_ns"] for b in log["bands"])
    assert abs(total - log["served"] * mean["mean_ns"]) <= 1e-9 * total
    assert log["distribution"]["rank"][-1] == log["served"]
    assert log["distribution"]["ns"][-1] == run["result"]["latency_ns"]["max"] == log["worst"][0]["ns"]
    assert log["quantiles_ns"][0] == [run["result"]["latency_ns"][q] for q in ("p50", "p90", "p95", "p99", "p99_9")]
assert ("comparison" in page) == (len(page["runs"]) == 2)
PY
done
refuse 1 'page.html' "$setsuna" report -o nowhere/page.html
refuse 1 'nowhere/bench.html' "$setsuna" bench $model --runs 10 --no-history --report nowhere/bench.html

# ---- what is wrong ----
refuse 2 'a run is named by' "$setsuna" history show first
refuse 1 'no such run' "$setsuna" history show 99
refuse 1 'no such run' "$setsuna" history remove 1 99
"$setsuna" history show 1 >/dev/null || fail "a run was removed beside one that is not there"
refuse 2 'wants one run' "$setsuna" history show
refuse 2 'no "nonsense" of it' "$setsuna" history nonsense
refuse 2 'not for show' "$setsuna" history show 1 --limit 3
refuse 2 'wants --keep or --older' "$setsuna" history prune
refuse 2 'no date such as' "$setsuna" history list --since 2026-13-45
refuse 2 'neither csv nor json' "$setsuna" history export 1 --format xml
refuse 2 'neither en nor ja' "$setsuna" report --lang fr
refuse 2 'tag has 1 to' "$setsuna" history tag 1 ''
refuse 2 '--tag: at most' "$setsuna" bench $model --tag ''

# ---- a history that cannot be had: the measurement is printed all the same ----
cp $model model.onnx
refuse 1 'no history of setsuna' "$setsuna" bench $model --runs 10 --db model.onnx
grep -q '^wall ' stdout && cmp -s $model model.onnx || fail "a model taken for a history was lost, or the result was"
refuse 1 'no history of setsuna' "$setsuna" history --db model.onnx
printf 'this was a history' >"$db"
rm -f "$db"-wal "$db"-shm
"$setsuna" bench $model --runs 10 >corrupt.txt 2>stderr || fail "bench with a corrupt history"
grep -q 'kept as run 1:' corrupt.txt && grep -q 'corrupt; it is now' stderr || fail "a corrupt history is not told of"
[ "$(cat "$db".corrupt-*)" = 'this was a history' ] || fail "a corrupt history is lost"
env -u XDG_DATA_HOME -u HOME "$setsuna" bench $model --runs 10 >homeless.txt 2>stderr || fail "bench without a home"
grep -q '^wall ' homeless.txt && grep -q 'is not kept' stderr || fail "bench without a home does not say so"
printf x >file
XDG_DATA_HOME=$PWD/file "$setsuna" bench $model --runs 10 >unwritable.txt 2>stderr || fail "bench without a folder"
grep -q '^wall ' unwritable.txt && grep -q 'is not kept' stderr || fail "bench without a folder does not say so"
XDG_DATA_HOME=$PWD/file refuse 1 'is not kept' "$setsuna" bench $model --runs 10 --tag wanted
sh -c 'ulimit -f 20; exec "$@"' sh "$setsuna" bench $model --runs 100000 >full.txt 2>stderr || fail "bench with a full disk"
grep -q '^wall ' full.txt && grep -qi 'no space\|too large' stderr && grep -q 'is not kept' stderr ||
    fail "a full disk is not told of, or the result is lost"
"$setsuna" history show last | grep -q '^run *1$' || fail "the history is not whole after a full disk"

# ---- interrupted ----
"$setsuna" bench $model --duration 30s >interrupted.txt 2>&1 &
pid=$!
sleep 1
kill -INT $pid
wait $pid || fail "an interrupted bench"
"$setsuna" history list --json >list.json
python3 -c '
import json
r = json.load(open("list.json"))["runs"][0]
assert r["partial"] and r["requests"] > 0' || fail "an interrupted run is not kept, or not marked"
"$setsuna" history | grep -q interrupted || fail "the list does not mark it"

# ---- many runs of one command are not for the list; by name one is kept all the same ----
before=$("$setsuna" history list --limit 0 --json | grep -c '"id"')
"$setsuna" compare $model --a '--runs 10' --b '--runs 10' --rounds 6 >/dev/null || fail "compare"
[ "$("$setsuna" history list --limit 0 --json | grep -c '"id"')" = "$before" ] || fail "compare filled the history"
SETSUNA_NO_HISTORY=1 "$setsuna" bench $model --runs 10 --db named.db | grep -q 'kept as run 1' || fail "--db with SETSUNA_NO_HISTORY"

# ---- removing ----
for i in 1 2 3; do "$setsuna" bench $model --runs 10 --json >/dev/null || fail "bench $i"; done
"$setsuna" history remove last last-2 || fail "remove"
[ "$("$setsuna" history list --json | grep -c '"id"')" = 3 ] || fail "two runs of five were to be removed"
"$setsuna" history prune --keep 1 | grep -q 'removed 2 runs' || fail "prune --keep"
"$setsuna" history prune --older 1h | grep -q 'removed 0 runs' || fail "prune --older"

# ---- the other engine, where it is ----
if "$setsuna" bench $model --runs 10 --no-history --engine onnxruntime >/dev/null 2>&1; then
    "$setsuna" bench $model --runs 50 --engine onnxruntime --report ort.html --tag ort >/dev/null ||
        fail "bench --engine onnxruntime --report"
    "$setsuna" history list --tag ort | grep -q 'onnxruntime' || fail "the other engine is not told"
    "$setsuna" history show last | grep -q '^execute ' && grep -q 'onnxruntime' ort.html || fail "a run of the other engine"
fi
exit $failed

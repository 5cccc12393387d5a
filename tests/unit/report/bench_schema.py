"""Holds `bench --json`, docs/bench.schema.json and docs/json.md to each other: bench_schema.py EMIT."""
import copy
import json
import os
import re
import subprocess
import sys

from json_schema import load, violations

DOCS = os.path.join(os.environ["SETSUNA_SOURCE_DIR"], "docs")
QUANTILES = ["min", "p50", "p90", "p95", "p99", "p99_9", "max"]


def read(name):
    with open(os.path.join(DOCS, name), encoding="utf-8") as f:
        return f.read()


SCHEMA = load(read("bench.schema.json"))


def emit(case):
    done = subprocess.run([*sys.argv[1:], "bench", case], stdout=subprocess.PIPE, check=True)
    return load(done.stdout.decode("utf-8"))


def check_ledger(case, ledger):
    latency = [ledger["latency_ns"][q] for q in QUANTILES]
    assert latency == sorted(latency), case
    assert latency[0] <= ledger["latency_ns"]["mean"] <= latency[-1], case
    rest, wall = ledger["unexplained_ns"], ledger["latency_ns"]["mean"]
    explained = sum(stage["mean"] for stage in ledger["stages_ns"].values())
    assert abs(explained + rest["mean"] - rest["overdrawn_mean"] - wall) <= 1e-12 * wall, case
    if wall:
        shares = sum(stage["share"] for stage in ledger["stages_ns"].values()) + rest["share"]
        assert abs(shares - rest["overdrawn_mean"] / wall - 1) < 1e-12, case
    assert (rest["overdrawn_mean"] > 0) == (case == "overdrawn"), case


def check_steps(per_op):
    """Shares add up to 1, rates and bounds are those of the amounts, and steps come as they were sorted: by gap."""
    steps = per_op["steps"]
    assert abs(sum(step["share"] for step in steps) - 1) < 1e-12
    peak = per_op["roofline"]["flops_per_s"]
    for s in steps:
        assert s["bound_ns"] == max(s["compute_ns"], s["memory_ns"])
        assert s["bound"] == ("none" if s["bound_ns"] == 0 else
                              "compute" if s["compute_ns"] >= s["memory_ns"] else "memory")
        assert abs(s["compute_ns"] * peak - s["work_flops"] * 1e9) <= 1e-6 * s["work_flops"] * 1e9
        assert abs(s["flops_per_s"] * s["p50_ns"] - s["flops"] * 1e9) <= 1e-12 * s["flops"] * 1e9
        moved = s["weight_bytes"] + s["operand_bytes"]
        assert abs(s["bytes_per_s"] * s["p50_ns"] - moved * 1e9) <= 1e-12 * moved * 1e9
        assert abs(s["ratio"] * s["bound_ns"] - (s["p50_ns"] if s["bound_ns"] else 0)) <= 1e-12 * s["p50_ns"]
    gaps = [(s["bound_ns"] - s["p50_ns"], s["step"]) for s in steps]
    assert gaps == sorted(gaps), gaps


def check_intervals(result):
    """An interval holds its value; without one there is a longer run to make."""
    for name in ["p50", "p90", "p95", "p99", "p99_9", "mean"]:
        interval, value = result["intervals_ns"][name], result["latency_ns"][name]
        assert interval["lo"] <= interval["hi"], name
        if result["runs"] <= 1000: # beyond, values are of the histogram's precision
            assert interval["lo"] <= value * (1 + 1e-12) and value <= interval["hi"] * (1 + 1e-12), name
        assert (interval["longer"] == 1) == (interval["verdict"] == "certified"), name


def check_slo(slo):
    """What fill_slo says: 80 of 4,000 are lost, the others take 5 to 6 ms."""
    assert slo["requests"] == 4000 and slo["lost"] == 80 and slo["good"] == 3920 and slo["limit_ns"] == 10000000
    assert abs(slo["goodput_per_s"] - 98) < 1e-9 and slo["verdict"] == "missed" and slo["longer"] == 1
    verdicts = {term["name"]: term["verdict"] for term in slo["terms"]}
    assert verdicts == {"p50": "met", "p99": "missed", "goodput": "met", "error": "met", "attainment": "met"}, verdicts
    assert ["measured" in term for term in slo["terms"]] == [True, False, True, True, True]
    for term in slo["terms"]:
        assert term["tested_lo"] <= term["tested"] <= term["tested_hi"], term


def check_causes(causes):
    """The books close, and the quantiles that would be are those of fewer causes."""
    for row in causes["bands"] + causes["worst"]:
        parts = row["predicted_compute_ns"] + row["predicted_queue_ns"] + sum(row["causes_ns"].values())
        assert abs(parts - row["wall_ns"]) <= 1e-9 * row["wall_ns"], row
        largest = max(row["causes_ns"], key=row["causes_ns"].get)
        assert row["cause"] in ("none", largest), row
    assert sum(band["requests"] for band in causes["bands"]) == causes["explained"]
    walls = [row["wall_ns"] for row in causes["worst"]]
    assert walls == sorted(walls, reverse=True)
    assert causes["worst"][0]["cause"] == "run_queue" and causes["worst"][0]["ran_instead"][0]["name"] == "cc1 (7)"
    assert causes["without_ns"]["run_queue"]["max"] < causes["without_ns"]["steal"]["max"]
    assert [hint["cause"] for hint in causes["hints"]] == ["steal"] and causes["hints"][0]["against"]


def check_sense(case, result):
    """What a schema cannot say."""
    check_ledger(case, result)
    assert ("per_op" in result) == (case == "per_op"), case
    if case == "per_op":
        check_steps(result["per_op"])
    assert ("causes" in result) == (case == "causes"), case
    if "causes" in result:
        check_causes(result["causes"])
    assert ("schedule" in result) == (case in ("schedule", "curve")), case
    if "schedule" in result:
        assert ("scenario" in result["schedule"]) == (case == "schedule"), case
        assert [p.get("idle_ns") for p in result["schedule"]["points"]] == ([] if case == "schedule" else [0, 1000000])
    if "intervals_ns" in result:
        check_intervals(result)
    assert ("slo" in result) == (case == "slo"), case
    if "slo" in result:
        check_slo(result["slo"])
        cost = result["cost"]
        assert abs(cost["per_thousand"] - 0.001) < 1e-12 and abs(cost["per_million"] - 1) < 1e-9 and cost["joules"] == 0.5
    assert ("stream" in result) == (case == "stream"), case
    if "stream" in result:
        stream = result["stream"]
        check_ledger(case, stream["opening"])
        factor = result["latency_ns"]["mean"] * 1e-9 / stream["frame_s"]
        assert abs(stream["real_time_factor"] - factor) <= 1e-12 * factor, case


def places(value, path=()):
    """Paths of all values inside value."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], path + (key,))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from places(item, path + (i,))


def changed(document, path, change):
    """A copy with change(parent, key) applied at path."""
    document = copy.deepcopy(document)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return document


def assert_refused(document, what):
    assert any(violations(document, SCHEMA)), f"the schema accepts {what}"


def check_strictness(document):
    """Every missing key (but that of what only streams have), undocumented key and wrong type is noticed."""
    for path in places(document):
        if not path:
            continue
        optional = (("stream",), ("per_op",), ("intervals_ns",), ("schedule",), ("schedule", "scenario"), ("slo",), ("search",),
                    ("cost",), ("causes",), ("causes", "evidence", "throttled"))
        if isinstance(path[-1], str) and path not in optional and path[-1] not in (
                "measured", "stretch_lo", "stretch_hi", "met_per_s", "missed_per_s") and path[:-1] != ("cost",):
            assert_refused(changed(document, path, lambda p, k: p.pop(k)), f"{path} missing")
        if path[-1] not in ("n_cpus_online", "memory_bytes", "page_bytes"):
            assert_refused(changed(document, path, lambda p, k: p.__setitem__(k, None)), f"{path} null")
        flag = path[-2:-1] == ("evidence",) and path[-1] not in ("switches", "fault_ns")
        if path[-1] not in ("settled", "valid", "overloaded", "interrupted") and not flag:
            assert_refused(changed(document, path, lambda p, k: p.__setitem__(k, True)), f"{path} true")
        if path[-1] != "knock_on_ns" and path[-2:-1] not in (("causes_ns",), ("own_ns",)):
            assert_refused(changed(document, path, lambda p, k: p.__setitem__(k, -1)), f"{path} -1")
        value = document
        for key in path:
            value = value[key]
        if isinstance(value, dict):
            assert_refused(changed(document, path, lambda p, k: p[k].update(extra=1)), f"{path} with another key")
    assert_refused(dict(document, extra=1), "another key at the root")


def check_documentation():
    """docs/json.md has a row for each key, and no others; its example is valid."""
    text = read("json.md").split("## `setsuna run")[0]
    in_schema = {path[-1] for path in places(SCHEMA) if len(path) >= 2 and path[-2] == "properties"}
    in_text = set(re.findall(r"^\| `([a-z0-9_]+)` \|", text, re.M))
    assert in_schema == in_text, f"docs/json.md and the schema differ in {sorted(in_schema ^ in_text)}"
    for block in re.findall(r"```json\n(.*?)```", text, re.S):
        found = list(violations(load(block), SCHEMA))
        assert not found, f"the example in docs/json.md: {found}"


for name in ["empty", "one", "typical", "stream", "histogram", "overdrawn", "hostile", "per_op", "schedule", "slo",
             "curve", "causes"]:
    emitted = emit(name)
    problems = list(violations(emitted, SCHEMA))
    assert not problems, f"{name}: {problems}"
    check_sense(name, emitted)
check_strictness(emit("one"))
check_strictness(emit("stream"))
check_strictness(emit("per_op"))
check_strictness(emit("schedule"))
check_strictness(emit("slo"))
check_strictness(emit("causes"))
check_documentation()

"""A validator for the subset of JSON Schema (draft 2020-12) that the schemas in docs/ use.

A keyword that it does not know is an error, so that no schema claims what nobody checks. As a program:
json_schema.py SCHEMA < DOCUMENT, exit code 1 and one line for each violation.
"""
import json
import re
import sys

ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description"}
CHECKS = {"$ref", "type", "const", "enum", "properties", "required", "additionalProperties", "items", "minItems",
          "maxItems", "minimum", "maximum", "exclusiveMinimum", "minLength", "pattern"}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TYPES = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: is_number(v) and float(v).is_integer(),
    "number": is_number,
    "string": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}


def no_duplicates(pairs):
    keys = [k for k, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"duplicate key among {keys}")
    return dict(pairs)


def load(text):
    """json.loads that refuses duplicate keys, NaN and infinities."""
    def refuse(name):
        raise ValueError(f"{name} is not JSON")
    return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=refuse)


def resolve(ref, root):
    if not ref.startswith("#/"):
        raise ValueError(f"$ref {ref}: only #/... is supported")
    at = root
    for part in ref[2:].split("/"):
        at = at[part]
    return at


def violations(value, schema, root=None, place="$"):
    """Yields a line for each way in which value breaks schema."""
    root = schema if root is None else root
    unknown = schema.keys() - ANNOTATIONS - CHECKS
    if unknown:
        raise ValueError(f"schema at {place}: unknown keywords {sorted(unknown)}")
    if "$ref" in schema:
        yield from violations(value, resolve(schema["$ref"], root), root, place)
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(TYPES[kind](value) for kind in kinds):
            yield f"{place}: {value!r} is not of type {schema['type']}"
            return
    if "const" in schema and value != schema["const"]:
        yield f"{place}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if is_number(value):
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{place}: {value} is below {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            yield f"{place}: {value} is above {schema['maximum']}"
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            yield f"{place}: {value} is not above {schema['exclusiveMinimum']}"
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield f"{place}: {value!r} is too short"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{place}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{place}: {len(value)} items"
        for i, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), root, f"{place}[{i}]")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key in schema.get("required", []):
            if key not in value:
                yield f"{place}: key {key!r} is missing"
        for key, item in value.items():
            if key in known:
                yield from violations(item, known[key], root, f"{place}.{key}")
            elif schema.get("additionalProperties", True) is False:
                yield f"{place}: key {key!r} is not documented"
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from violations(item, schema["additionalProperties"], root, f"{place}.{key}")


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = load(f.read())
    found = list(violations(load(sys.stdin.read()), schema))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

#!/bin/sh
# The command's manners: help, exit codes, where messages go, output that cannot be written.
set -u
setsuna=$SETSUNA_BUILD_DIR/setsuna
failed=0

# expect CODE STREAM PATTERN COMMAND...: the exit code, and a line of stdout or stderr that must be there.
expect() {
    want=$1 stream=$2 pattern=$3
    shift 3
    "$@" >stdout 2>stderr </dev/null
    code=$?
    if [ $code -ne "$want" ] || ! grep -q -e "$pattern" "$stream"; then
        echo "FAILED: $*: exit code $code (want $want), want /$pattern/ in $stream"
        sed 's/^/  stdout: /' stdout
        sed 's/^/  stderr: /' stderr
        failed=1
    fi
    if [ "$stream" = stderr ] && [ -s stdout ]; then
        echo "FAILED: $*: an error must leave standard output empty"
        failed=1
    fi
}

expect 0 stdout '^usage: setsuna COMMAND' "$setsuna" help
expect 0 stdout '^usage: setsuna COMMAND' "$setsuna" --help
expect 0 stdout '^setsuna help \[COMMAND\]' "$setsuna" help help
expect 0 stdout '^setsuna [0-9]*\.[0-9]*\.[0-9]*$' "$setsuna" version
expect 0 stdout '^cpu level  [a-z0-9]*$' "$setsuna" --version
expect 2 stderr '^usage: setsuna' "$setsuna"
expect 2 stderr '^setsuna: no command "nonsense"' "$setsuna" nonsense
expect 2 stderr '^setsuna: no command "a\\x1bb"' "$setsuna" "$(printf 'a\033b')"
expect 2 stderr '^setsuna version: unknown option "--nonsense"' "$setsuna" version --nonsense
expect 2 stderr '^setsuna version: it takes no argument' "$setsuna" version extra
expect 2 stderr '^setsuna help: one command at a time' "$setsuna" help help version

# Every command that `help` lists answers --help, and `help COMMAND` says the same.
for command in $("$setsuna" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
    expect 0 stdout "^setsuna $command" "$setsuna" "$command" --help
    "$setsuna" help "$command" | cmp -s - stdout || {
        echo "FAILED: help $command and $command --help differ"
        failed=1
    }
done

if [ -c /dev/full ]; then
    "$setsuna" version >/dev/full 2>stderr
    code=$?
    if [ $code -ne 1 ] || ! grep -q '^setsuna: standard output: cannot write' stderr; then
        echo "FAILED: a full disk: exit code $code"
        failed=1
    fi
fi
exit $failed

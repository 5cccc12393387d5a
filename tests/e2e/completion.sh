#!/usr/bin/env bash
# The bash completion, called as bash calls it.
set -u
# shellcheck source=docs/setsuna.bash
source "$SETSUNA_SOURCE_DIR/docs/setsuna.bash"
failed=0

# expect "CHOICE..." WORD...: what completion offers for the last word.
expect() {
    local want=$1 got
    shift
    COMP_WORDS=(setsuna "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _setsuna "$SETSUNA_BUILD_DIR/setsuna" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    got=${COMPREPLY[*]-}
    if [[ $got != "$want" ]]; then
        echo "FAILED: setsuna $*: offers \"$got\", not \"$want\""
        failed=1
    fi
}

all=$("$SETSUNA_BUILD_DIR/setsuna" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | paste -sd ' ')
expect "$all" ''
expect "$all" help ''
expect 'version' vers
expect 'version' help vers
expect '--help' version --
expect '' version ''
expect '' nonsense -x
expect 'avx512 avx512vnni avx512bf16' version --cpu avx5
expect 'video-30fps video-60fps' bench --slo vid
expect '--fail-if-slower' compare --f
expect 'show' history s
expect 'en ja' report --lang ''
exit $failed

# Bash completion for setsuna. Commands and options are asked of the command itself, so that this never lags behind.

_setsuna_commands()
{
    "$1" help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

_setsuna_options()
{
    "$1" help "$2" 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
    echo --help
}

_setsuna()
{
    local setsuna=$1 cur=$2 prev=$3 choices=
    if [[ $COMP_CWORD -eq 1 || ${COMP_WORDS[1]} == help ]]; then
        choices=$(_setsuna_commands "$setsuna")
    elif [[ $cur == -* ]]; then
        choices=$(_setsuna_options "$setsuna" "${COMP_WORDS[1]}")
    elif [[ $prev == --cpu ]]; then
        choices='ref avx2 avx512 avx512vnni avx512bf16 neon neondot'
    elif [[ $prev == --precision ]]; then
        choices='f32 bf16'
    elif [[ $prev == --slo ]]; then
        choices=$("$setsuna" bench --slo help 2>/dev/null | sed -n 's/^  \([a-z0-9-]*\) .*/\1/p')
    elif [[ $prev == --engine ]]; then
        choices='native onnxruntime'
    elif [[ $prev == --lang ]]; then
        choices='en ja'
    elif [[ $prev == --format ]]; then
        choices='csv json'
    elif [[ $COMP_CWORD -eq 2 && ${COMP_WORDS[1]} == history ]]; then
        choices='list show tag export prune remove'
    fi
    # No choice of ours: `-o default` below completes file names.
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
} && complete -o default -F _setsuna setsuna

#!/bin/sh
# The report page's TypeScript by its types.
command -v tsc >/dev/null || {
    echo "skipped: no tsc here (scripts/deps --with-checks installs it)"
    exit 77
}
exec tsc -p "$SETSUNA_SOURCE_DIR/web"

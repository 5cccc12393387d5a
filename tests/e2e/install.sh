#!/bin/sh
# `cmake --install` under a prefix of its own: the command runs from there, programs find the library through
# pkg-config, shared and static, and the examples compile against what was installed.
set -eu
rm -rf prefix
cmake --install "$SETSUNA_BUILD_DIR" --prefix "$PWD/prefix" >install.log
for file in bin/setsuna include/setsuna/status.h share/man/man1/setsuna.1 \
    share/bash-completion/completions/setsuna; do
    [ -f "prefix/$file" ] || {
        echo "FAILED: $file was not installed"
        exit 1
    }
done
prefix/bin/setsuna version

PKG_CONFIG_PATH=$(dirname "$(find "$PWD/prefix" -name setsuna.pc)")
export PKG_CONFIG_PATH
version=$(pkg-config --modversion setsuna)
prefix/bin/setsuna version | grep -qx "setsuna $version" || {
    echo "FAILED: setsuna.pc says version $version"
    exit 1
}

cat >program.c <<'END'
#include <setsuna/status.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    puts(setsuna_status_text(SETSUNA_EMODEL));
    return strcmp(setsuna_status_name(SETSUNA_EMODEL), "EMODEL") != 0;
}
END
libdir=$(pkg-config --variable=libdir setsuna)
# shellcheck disable=SC2046 # flags are words
{
    cc -Wall -Wextra -Werror program.c -o shared $(pkg-config --cflags --libs setsuna)
    LD_LIBRARY_PATH=$libdir ldd ./shared | grep -q 'libsetsuna\.so\.[0-9]* => .*prefix'
    LD_LIBRARY_PATH=$libdir ./shared
    cc -Wall -Wextra -Werror program.c -o static $(pkg-config --cflags setsuna) "$libdir/libsetsuna.a" \
        $(pkg-config --static --libs-only-l setsuna | sed 's/-lsetsuna//')
    ./static
    for example in "$SETSUNA_SOURCE_DIR"/examples/*.c; do
        [ -f "$example" ] || continue
        cc -std=c17 -Wall -Wextra -Werror -c "$example" -o /dev/null $(pkg-config --cflags setsuna)
    done
}

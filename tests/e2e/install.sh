#!/bin/sh
# `cmake --install` under a prefix of its own: the command runs from there, programs find the library through
# pkg-config: the example predicts, linked with the shared library and with the static one.
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

example=$SETSUNA_SOURCE_DIR/examples/predict.c
model=/usr/share/libonnx-testdata/data/node/test_identity/model.onnx
libdir=$(pkg-config --variable=libdir setsuna)
# shellcheck disable=SC2046 # flags are words
{
    cc -std=c17 -Wall -Wextra -Werror "$example" -o shared $(pkg-config --cflags --libs setsuna)
    LD_LIBRARY_PATH=$libdir ldd ./shared | grep -q 'libsetsuna\.so\.[0-9]* => .*prefix'
    # Our library static, the ones that it uses shared: their own static closure is not in a default installation.
    cc -std=c17 -Wall -Wextra -Werror "$example" -o static $(pkg-config --cflags setsuna) "$libdir/libsetsuna.a" \
        $(pkg-config --libs $(pkg-config --print-requires-private setsuna | cut -d ' ' -f 1)) -pthread -ldl -lm
}
for program in shared static; do
    printed=$(LD_LIBRARY_PATH=$libdir ./$program "$model")
    [ "$printed" = 'output 0: f32, 16 bytes' ] || {
        echo "FAILED: examples/predict.c ($program) printed: $printed"
        exit 1
    }
    if LD_LIBRARY_PATH=$libdir ./$program nothing.onnx 2>message; then
        echo "FAILED: examples/predict.c ($program) predicted with a file that does not exist"
        exit 1
    fi
    grep -q '^predict: nothing\.onnx: ' message
done

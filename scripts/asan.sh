#!/usr/bin/env bash
# The tests of the rooms with pointers, under AddressSanitizer, on a stable compiler: reads and writes beyond a buffer end the
# test. Not part of .ci/run, because it builds everything once more.
#   scripts/asan.sh            then: test result: ok
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
# the flag is unstable; RUSTC_BOOTSTRAP lets this one build take it
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cdebug-assertions=on -Coverflow-checks=on" \
    cargo test --locked --target "$host" --target-dir target/asan \
    --lib -p ptyproof-kernels -p ptyproof -p ptyproof-pinn -- adam:: conv:: fft:: layers:: map:: norm:: scatter_add:: assemble:: network::

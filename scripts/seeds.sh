#!/usr/bin/env bash
# Runs a scenario over seeds, one hub each, for statements such as "3 of 8 go NaN".
#   scripts/seeds.sh SCENARIO NUMERICS FIRST LAST DIR
# Then: cargo run --release --example seeds -- DIR/*
set -euo pipefail
scenario=$1 numerics=$2 first=$3 last=$4 dir=$5
program=${PTYPROOF:-target/release/ptyproof}
for seed in $(seq "$first" "$last"); do
    hub="$dir/${scenario}_${numerics}_$(printf '%02d' "$seed")"
    [ -e "$hub" ] && continue
    code=0
    "$program" run --scenario "$scenario" --numerics "$numerics" --seed "$seed" \
        --output-dir "$hub" --quiet 2>/dev/null || code=$?
    rm -rf "$hub/train_outputs/checkpoints" # 27 MB each, and the table needs none
    echo "$hub: exit $code"
done

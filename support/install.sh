#!/usr/bin/env bash
# Puts the `pipeline` binary of exactly this checkout on PATH for the steps that follow.
#   PIPELINE_BIN_DIR  a folder with the binary, instead of building it
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -n "${PIPELINE_BIN_DIR:-}" ]; then
    if [ ! -x "$PIPELINE_BIN_DIR/pipeline" ]; then
        echo "::error::PIPELINE_BIN_DIR is $PIPELINE_BIN_DIR, and there is no program \`pipeline\` in it."
        exit 2
    fi
    bin=$(cd "$PIPELINE_BIN_DIR" && pwd)
    echo "using the binary in $bin"
else
    if ! command -v cargo >/dev/null; then
        echo "::error::pipeline is built from its source here, and cargo is not installed. Install Rust in an earlier step, or set PIPELINE_BIN_DIR to a folder with the binary."
        exit 2
    fi
    target=${RUNNER_TEMP:-/tmp}/pipeline-target
    (cd "$root" && cargo build --locked --release --package actions --bin pipeline --target-dir "$target")
    bin=$target/release
fi

"$bin/pipeline" --version
echo "$bin" >>"$GITHUB_PATH"

#!/usr/bin/env bash
# Generates the Go and Python code of proto/*.proto. With --check: fails where what is committed is not fresh.
# Tools are pinned: protoc comes inside grpcio-tools, the Go plugins from go.mod's tool lines. The Python pin is
# old on purpose: generated code runs with its own protobuf release and the next major one, not with earlier ones.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="$PWD/.tools"
out="$PWD"
check=""
[ "${1:-}" = "--check" ] && { check=1; out="$(mktemp -d)"; trap 'rm -rf "$out"' EXIT; }
if [ ! -x "$tools/proto/bin/python" ]; then
  python3 -m venv "$tools/proto"
  "$tools/proto/bin/pip" install -q --disable-pip-version-check grpcio-tools==1.74.0
fi
GOBIN="$tools/bin" CGO_ENABLED=0 go install google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
export PATH="$tools/bin:$PATH"
gen() { "$tools/proto/bin/python" -m grpc_tools.protoc -Iproto "$@"; }
mkdir -p "$out/proto/boundary" "$out/proto/rayvalue" "$out/proto/ray" "$out/python/mobula/_core/pb"
gen --go_out="$out/proto/boundary" --go_opt=paths=source_relative \
    --go-grpc_out="$out/proto/boundary" --go-grpc_opt=paths=source_relative proto/boundary.proto
gen --go_out="$out/proto/rayvalue" --go_opt=paths=source_relative proto/rayvalue.proto
gen --go_out="$out/proto" --go_opt=paths=source_relative --go-grpc_out="$out/proto" --go-grpc_opt=paths=source_relative proto/ray/*.proto
gen --python_out="$out/python/mobula/_core/pb" --pyi_out="$out/python/mobula/_core/pb" proto/boundary.proto proto/rayvalue.proto
if [ -n "$check" ]; then
  for d in proto/boundary proto/rayvalue proto/ray python/mobula/_core/pb; do
    for f in "$out/$d"/*; do
      cmp -s "$f" "$d/$(basename "$f")" || { echo "stale: $d/$(basename "$f"): run 'make proto'" >&2; exit 1; }
    done
  done
  echo "generated code is fresh"
fi

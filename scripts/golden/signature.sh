#!/usr/bin/env bash
# Writes a manifest, its minisign signature and the public key, for the tests of `Package::verify_signature`:
#
#   scripts/golden/signature.sh      # needs minisign (Debian's package of that name)
#
# The private key is discarded.
set -euo pipefail
cd "$(dirname "$0")/../../crates/registry/src/golden"
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT
digest=$(printf '' | sha256sum | cut -d' ' -f1)
cat >manifest.json <<JSON
{"format_version": 1, "name": "m", "version": 1, "created": "2026-01-01T00:00:00Z",
 "files": {"config.json": "$digest", "metrics.json": "$digest", "model.safetensors": "$digest", "plan.json": "$digest"},
 "signature": {}, "lineage": {"run": "r", "dataset_version": "d", "config_sha256": "c", "code_version": "v"}, "metrics": {}}
JSON
for who in signer stranger; do minisign -G -f -W -p "$keys/$who.pub" -s "$keys/$who.key" >/dev/null; done
minisign -S -s "$keys/signer.key" -m manifest.json -t "golden" >/dev/null
for who in signer stranger; do tail -n 1 "$keys/$who.pub" >"$who.pub"; done

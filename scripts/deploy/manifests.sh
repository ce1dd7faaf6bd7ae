# Part of check-deploy: the files of every target, by check-manifests. A second version is the canary.
"$cupola" train --config configs/digits.toml --set train.epochs=1 >"$work/train" 2>&1 || fail "training" "$work/train"
CUPOLA=$cupola scripts/deploy/check-manifests

#!/usr/bin/env bash
# Every step from the data to an image, here as in CI.
#
#   ./check                   every step, with a short training in a home folder of its own (build/home)
#   ./check --full            the same with the whole training, in $CUPOLA_HOME or .cupola
#   ./check data train        some steps
#
#   setup      finds cupola, or downloads it from $CUPOLA_URL and compares its digest with $CUPOLA_SHA256
#   data       reads config and data, and checks the data contract ([[expect]] in run.toml)
#   train      trains, evaluates on the test split and writes a package
#   report     writes build/report.md, build/report.html and build/gate.xml
#   gate       fails if a condition of [gate] in run.toml is broken
#   test       fails if the model answers the rows of tests/ in another way than it should
#   publish    points the alias `production` at the version
#   deploy     writes an image that serves it, build/image.tar
#   comment    comments the report on the change (merge requests of GitLab, pull requests of Bitbucket)
#
# CUPOLA is the binary [cupola], CUPOLA_DEVICE the device [auto].
set -euo pipefail
cd "$(dirname "$0")"

name=@NAME@
# Short trainings: enough to see that every step works and that the model learns.
short=(@SHORT@)

full=false
if [ "${1:-}" = --full ]; then
  full=true
  shift
fi
if $full; then
  export CUPOLA_HOME=${CUPOLA_HOME:-.cupola}
  short=()
else
  export CUPOLA_HOME=build/home
fi
cupola=${CUPOLA:-cupola}
if ! command -v "$cupola" >/dev/null && [ -x build/bin/cupola ]; then
  cupola=build/bin/cupola
fi
device=(--device "${CUPOLA_DEVICE:-auto}")
mkdir -p build
# A CI sets variables that nobody gave to nothing, which a client of S3 takes for an address.
for variable in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_ENDPOINT_URL; do
  if [ -z "${!variable:-}" ]; then
    unset "$variable"
  fi
done

fail() {
  echo "check: $1" >&2
  exit "${2:-1}"
}

# NAME:VERSION of the last training.
model() {
  [ -s build/model ] || fail "no model was trained; run ./check train first"
  cat build/model
}

# Runs a command that ends with 1 for a broken gate, which is no failure here.
judged() {
  local code=0
  "$@" 2>build/errors.txt || code=$?
  if [ "$code" -gt 1 ]; then
    cat build/errors.txt >&2
    return "$code"
  fi
}

setup() {
  if ! command -v "$cupola" >/dev/null; then
    if [ -z "${CUPOLA_URL:-}" ] || [ -z "${CUPOLA_SHA256:-}" ]; then
      fail "there is no cupola here; install it, or set CUPOLA_URL to an archive of it and CUPOLA_SHA256 to its digest" 2
    fi
    mkdir -p build/bin
    curl --fail --silent --show-error --location --retry 3 --output build/cupola.tar.gz "$CUPOLA_URL"
    echo "$CUPOLA_SHA256  build/cupola.tar.gz" | sha256sum --check --quiet ||
      fail "the archive at CUPOLA_URL does not have the digest CUPOLA_SHA256"
    tar -xzf build/cupola.tar.gz -C build/bin cupola
    cupola=build/bin/cupola
  fi
  "$cupola" --version
}

data() {
  "$cupola" check --config run.toml
  "$cupola" data validate --config run.toml
}

train() {
  rm -f build/model build/report.* build/gate.xml build/image.tar
  if ! $full; then
    rm -rf build/home
  fi
  local code=0
  "$cupola" train --config run.toml ${short[@]+"${short[@]}"} "${device[@]}" | tee build/train.txt || code=$?
  sed -n 's/^model  *\([^ ]*:[0-9]*\) in .*/\1/p' build/train.txt | tail -n 1 >build/model
  # A broken gate ends a training with 1 after it wrote the package, which the next steps report and judge.
  if [ ! -s build/model ]; then
    fail "the training wrote no package" "$((code == 0 ? 1 : code))"
  fi
}

report() {
  local model page
  model=$(model)
  "$cupola" evaluate --model "$model" --format markdown >build/report.md
  echo >>build/report.md
  judged "$cupola" gate --model "$model" --format markdown >>build/report.md
  judged "$cupola" gate --model "$model" --format junit --out build/gate.xml
  page=$(sed -n 's/^report  *\(.*\)$/\1/p' build/train.txt | tail -n 1)
  if [ -f "$page" ]; then
    cp "$page" build/report.html
  fi
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    cat build/report.md >>"$GITHUB_STEP_SUMMARY"
  fi
}

gate() {
  local model
  model=$(model)
  "$cupola" gate --model "$model"
}

# In a function of its own, since bash has functions and commands of one name.
run_tests() {
  local model code=0
  model=$(model)
  if [ -e tests/known.jsonl ]; then
    "$cupola" gate --model "$model" --data tests/known.jsonl --config tests/gate.toml "${device[@]}"
  fi
  "$cupola" predict --model "$model" --input tests/invalid.jsonl --output build/invalid.jsonl "${device[@]}" \
    >/dev/null 2>build/invalid.txt || code=$?
  [ "$code" = 2 ] || fail "tests/invalid.jsonl has rows that must be refused with exit code 2, found $code"
  echo "rows without their columns are refused: $(head -n 1 build/invalid.txt | cut -c 1-100)"
}

publish() {
  local model
  model=$(model)
  "$cupola" models alias "$name" production "${model##*:}"
}

deploy() {
  local model
  model=$(model)
  "$cupola" deploy image --model "$model" --out build/image.tar
}

# The report as a JSON string.
quoted() {
  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/$/\\n/' build/report.md | tr -d '\r\n'
}

comment() {
  if [ ! -s build/report.md ]; then
    echo "there is no report to comment"
  elif [ -n "${CI_MERGE_REQUEST_IID:-}" ] && [ -n "${CUPOLA_GITLAB_TOKEN:-}" ]; then
    curl --fail --silent --show-error --output /dev/null --header "PRIVATE-TOKEN: $CUPOLA_GITLAB_TOKEN" \
      --header "Content-Type: application/json" --data-binary @- \
      "$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes" <<<"{\"body\": \"$(quoted)\"}"
  elif [ -n "${BITBUCKET_PR_ID:-}" ] && [ -n "${CUPOLA_BITBUCKET_TOKEN:-}" ]; then
    curl --fail --silent --show-error --output /dev/null --header "Authorization: Bearer $CUPOLA_BITBUCKET_TOKEN" \
      --header "Content-Type: application/json" --data-binary @- \
      "${BITBUCKET_API:-https://api.bitbucket.org}/2.0/repositories/$BITBUCKET_REPO_FULL_NAME/pullrequests/$BITBUCKET_PR_ID/comments" \
      <<<"{\"content\": {\"raw\": \"$(quoted)\"}}"
  else
    echo "not commented: this is no merge request, or there is no token; the report is build/report.md"
  fi
}

if [ $# = 0 ]; then
  set -- setup data train report gate test publish deploy
fi
for step in "$@"; do
  case $step in
    setup | data | train | report | gate | publish | deploy | comment) run=$step ;;
    test) run=run_tests ;;
    *) fail "unknown step \`$step\`; expected setup, data, train, report, gate, test, publish, deploy or comment" 2 ;;
  esac
  printf '\n== %s\n' "$step"
  trap 'echo "check: the step $step failed" >&2' EXIT
  "$run"
  trap - EXIT
done

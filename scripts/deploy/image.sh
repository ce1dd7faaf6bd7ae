# shellcheck shell=bash disable=SC2154,SC2016
# Part of scripts/check-deploy: `cupola deploy image`. Prints size, time and start to ready.
if ! need umoci skopeo runc bwrap 2>"$work/apt"; then
  say image "skipped: umoci, skopeo, runc and bubblewrap are not installed and cannot be: $(tail -n 1 "$work/apt")"
  return 0
fi
port=$(free_port)
rootless=(--rootless); [ "$(id -u)" = 0 ] && rootless=()
pack() { # OUT OPTION...
  local out=$1; shift
  "$cupola" deploy image --model digits:1 --out "$out" --json "$@" -- --port "$port" >"$out.json" 2>"$work/log" ||
    fail "deploy image" "$work/log"
}
archive=$work/digits.tar
pack "$archive"
digest=$(field "$archive.json" '["digest"]')
pack "$work/again.tar"
cmp "$archive" "$work/again.tar" || fail "equal inputs gave unequal images"
python3 - "$archive.json" "$work/again.tar.json" "$cupola" "$work/home/models/digits/1" <<'PY' || fail "size"
import json, os, sys
first, again = (json.load(open(path)) for path in sys.argv[1:3])
parts = [sys.argv[3], *(entry.path for entry in os.scandir(sys.argv[4]))]
content = sum(os.path.getsize(path) for path in parts)
print(f"image        {first['bytes'] / 1e6:.1f} MB of {content / 1e6:.1f} MB binary and model, "
      f"{first['seconds']:.2f} s, {again['seconds']:.2f} s the second time; equal digests")
print("layers       " + ", ".join(f"{layer['name']} {layer['bytes'] / 1e6:.3f} MB" for layer in first["layers"]))
assert first["bytes"] < 1.2 * content and again["layers"][1]["cached"]
PY

# The other tools.
[ "$(skopeo inspect --format '{{.Digest}}' "oci-archive:$archive")" = "$digest" ] || fail "skopeo finds another digest"
[ "$(skopeo inspect --config --format '{{.Config.User}}' "oci-archive:$archive")" = 65532:65532 ] || fail "the user"
skopeo copy -q "oci-archive:$archive" "docker-archive:$work/copied.tar:digits:1" >"$work/log" 2>&1 || fail "skopeo copy" "$work/log"
pack "$work/docker.tar" --format docker-archive
for file in docker.tar digits.tar; do
  skopeo inspect "docker-archive:$work/$file" >"$work/log" 2>&1 || fail "skopeo reads $file as docker-archive" "$work/log"
done
pack "$work/layout" --format oci --tag registry.example.org/ml/digits:one
umoci stat --image "$work/layout:one" >"$work/log" 2>&1 || fail "umoci stat" "$work/log"
# zstd: umoci before 0.5 does not read it, so skopeo makes gzip of it, and checks the digests of the content on the way.
pack "$work/zstd.tar" --compression zstd
skopeo copy -q --dest-compress --dest-compress-format gzip "oci-archive:$work/zstd.tar" "oci:$work/zstd:one" >"$work/log" 2>&1 ||
  fail "skopeo reads zstd" "$work/log"
umoci unpack "${rootless[@]}" --image "$work/zstd:one" "$work/zstd-bundle" >"$work/log" 2>&1 || fail "umoci unpack" "$work/log"
cmp "$work/zstd-bundle/rootfs/usr/bin/cupola" "$cupola" || fail "the program in an image of zstd"
refused 'zstd is not supported in a docker-archive' "$cupola" deploy image --model digits --compression zstd --format docker-archive --out "$work/none.tar"
say zstd "$(python3 -c 'import json, sys; print(*(f"{json.load(open(path))[key]:.{digits}f} {unit}" for path, key, digits, unit in [(sys.argv[1], "bytes", 0, "bytes"), (sys.argv[1], "seconds", 2, "s")]), sep=", ")' "$work/zstd.tar.json"): skopeo reads it, umoci unpacks the same program"
# Two images in one layout, written at once.
pids=()
for tag in left right; do
  "$cupola" deploy image --model digits:1 --format oci --out "$work/shared" --tag "digits:$tag" >"$work/$tag.log" 2>&1 & pids+=($!)
done
for run in 0 1; do wait "${pids[run]}" || fail "two images in one layout" "$work/left.log" "$work/right.log"; done
[ "$(umoci ls --layout "$work/shared" | sort | xargs)" = "left right" ] || fail "an image is missing in the layout" "$work/shared/index.json"
# A link stays.
ln -s target.tar "$work/link.tar"
pack "$work/link.tar"
{ [ -L "$work/link.tar" ] && cmp "$archive" "$work/target.tar"; } || fail "a link as --out"
say tools "two writers of one layout are both in its index; a link stays; skopeo reads and copies the archives as OCI and as Docker's, with the same digest; umoci reads the folder"

# A new version of the model is a new layer, and nothing else.
"$cupola" train --config configs/digits.toml --set train.epochs=1 >"$work/train" 2>&1 || fail "training" "$work/train"
"$cupola" deploy image --model digits:2 --out "$work/second.tar" --json -- --port "$port" >"$work/second.json" 2>"$work/log" ||
  fail "deploy image" "$work/log"
python3 - "$archive.json" "$work/second.json" <<'PY' || fail "layers of the next version"
import json, sys
first, second = (json.load(open(path))["layers"] for path in sys.argv[1:])
assert [a["digest"] == b["digest"] for a, b in zip(first, second, strict=True)] == [True, True, False]
print(f"next version a push of {second[-1]['bytes']:,} bytes: base and program are those of the version before")
PY

# A container: another user, a read-only root, nothing else mounted.
bundle=$work/bundle
umoci unpack "${rootless[@]}" --image "$work/layout:one" "$bundle" >"$work/log" 2>&1 || fail "umoci unpack" "$work/log"
id=cupola-check-$$
python3 - "$bundle/config.json" "$bundle/rootfs" "$bundle/command" <<'PY'
import json, shlex, sys
path, root, command = sys.argv[1:]
spec = json.load(open(path))
spec["process"]["terminal"] = False
spec["root"]["readonly"] = True
# The network of this host, so that the port can be reached.
spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
spec["mounts"] = [m for m in spec["mounts"] if m["type"] in ("proc", "sysfs", "tmpfs", "bind", "devpts", "mqueue")]
json.dump(spec, open(path, "w"))
process = spec["process"]
env = [word for pair in process["env"] for word in ["--setenv", *pair.split("=", 1)]]
user = [str(process["user"][key]) for key in ("uid", "gid")]
words = ["bwrap", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-user", "--uid", user[0], "--gid", user[1],
         "--unshare-pid", "--clearenv", *env, "--chdir", process["cwd"], *process["args"]]
open(command, "w").write("exec " + shlex.join(words))
PY
ready() { # LOG COMMAND...: starts a container in a process group of its own, prints milliseconds until it is ready
  python3 - "$port" "$@" <<'PY'
import subprocess, sys, time, urllib.error, urllib.request
port, log, *command = sys.argv[1:]
begin = time.time()
process = subprocess.Popen(command, stdout=open(log, "w"), stderr=subprocess.STDOUT, start_new_session=True)
open(f"{log}.pid", "w").write(str(process.pid))
while time.time() - begin < 60:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1)
        print(f"{1000 * (time.time() - begin):.0f}")
        break
    except OSError:
        time.sleep(0.002)
else:
    sys.exit(1)
PY
}
answers() { # WHAT
  curl -sf "http://127.0.0.1:$port/v1/models/digits/predict" -H 'content-type: application/json' \
    --data-binary "@$work/body.json" >"$work/answer" || fail "$1: the prediction" "$work/log"
  python3 - "$work/answer" "$work/predicted" <<'PY' || fail "$1 answers otherwise than cupola predict" "$work/answer" "$work/predicted"
import json, sys
answer, predicted = (json.load(open(path)) for path in sys.argv[1:])
assert answer["predictions"] == [predicted]
PY
}
if [ "$(id -u)" = 0 ] && runc --version >/dev/null 2>&1; then
  undo+=("runc delete --force $id")
  took=$(ready "$work/container" runc run --bundle "$bundle" "$id") || fail "the container of runc is not ready" "$work/container"
  answers runc
  pid=$(runc state "$id" | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
  grep -q '^Uid:.65532.65532.65532.65532' "/proc/$pid/status" || fail "the user of the process" "/proc/$pid/status"
  awk '$5 == "/" { print $6 }' "/proc/$pid/mountinfo" | grep -q '^ro' || fail "the root is not read-only" "/proc/$pid/mountinfo"
  runc exec "$id" /usr/bin/cupola serve --health "http://127.0.0.1:$port" >"$work/log" 2>&1 || fail "the health check" "$work/log"
  code=0; runc exec "$id" /usr/bin/cupola serve --health http://127.0.0.1:1 >"$work/log" 2>&1 || code=$?
  [ "$code" = 1 ] || fail "the health check of no server gives $code" "$work/log"
  runc kill "$id" TERM
  for _ in $(seq 400); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -0 "$pid" 2>/dev/null && fail "the container does not end after SIGTERM" "$work/container"
  say runc "user 65532, read-only root: ready in $took ms, the prediction of cupola predict, the health check, and the end by SIGTERM"
fi
# Bubblewrap makes user namespaces, which some hosts forbid.
if bwrap --ro-bind / / --unshare-user --uid 65532 true 2>"$work/log"; then
  undo+=("kill -KILL -- -\$(cat $work/bwrap.pid)")
  took=$(ready "$work/bwrap" bash "$bundle/command") || fail "the container of bubblewrap is not ready" "$work/bwrap"
  answers bubblewrap
  kill -TERM -- "-$(cat "$work/bwrap.pid")"
  say bubblewrap "ready in $took ms, the same prediction"
else
  say bubblewrap "skipped: $(tail -n 1 "$work/log")"
fi

# Documents by their own validator.
folder=${XDG_CACHE_HOME:-$HOME/.cache}/cupola/cyclonedx
if ! [ -e "$folder/ok1" ]; then
  python3 -m venv "$folder"
  "$folder/bin/pip" install -q 'cyclonedx-python-lib[json-validation]==11.*' >&2
  touch "$folder/ok1"
fi
"$folder/bin/python" - "$bundle/rootfs/usr/share/cupola" "$bundle/rootfs" <<'PY' || fail "documents of the image"
import hashlib, json, pathlib, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
folder, root = map(pathlib.Path, sys.argv[1:])
text = (folder / "sbom.cdx.json").read_text()
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
assert problem is None, problem
components = json.loads(text)["components"]
files = [c for c in components if c["type"] == "file"]
def digest(path):
    return hashlib.sha256((root / path.lstrip("/")).read_bytes()).hexdigest()
assert all(digest(c["name"]) == c["hashes"][0]["content"] for c in files)
statement = json.loads((folder / "provenance/digits-1.json").read_text())
assert statement["subject"] and all(digest(s["name"]) == s["digest"]["sha256"] for s in statement["subject"])
print(f"documents    CycloneDX 1.6 of {len(components)} components, provenance of {len(statement['subject'])} files: valid, digests match")
PY

# Mistakes leave nothing behind.
mkdir "$work/out"
image() { "$cupola" deploy image --out "$work/out/image.tar" "$@"; }
refused 'unknown model `modle`' image --model modle
refused 'invalid image name' image --model digits --tag Digits
refused 'not a program' image --model digits --binary scripts/check-deploy
refused 'failed to read' image --model digits --binary "$work/none"
refused 'not a build of cupola' image --model digits --binary /bin/true
refused 'not a regular file' image --model digits --binary /dev/zero
refused 'invalid model' image --model ''
refused 'unexpected argument' image --model digits -- --unknown 80
refused 'is not an image layout' "$cupola" deploy image --model digits --format oci --out "$work/home"
cp "$archive" "$work/out/image.tar"
code=0
(ulimit -f 2000; image --model digits >"$work/log" 2>&1) || code=$?
{ [ "$code" = 1 ] && grep -q 'free some space' "$work/log"; } || fail "exit code $code with a full disk" "$work/log"
cmp "$archive" "$work/out/image.tar" || fail "a full disk changes the image before"
# Two at once: the image is that of the later one.
pids=()
for run in 1 2; do image --model digits >"$work/at-once$run" 2>&1 & pids+=($!); done
for run in 1 2; do wait "${pids[run - 1]}" || fail "two at once" "$work/at-once$run"; done
[ "$(ls -A "$work/out")" = image.tar ] || fail "two at once leave more than the image" "$work/at-once1"
cp "$work/out/image.tar" "$work/whole.tar"
timeout -s KILL 0.05 "$cupola" deploy image --model digits --out "$work/out/image.tar" >/dev/null 2>&1 || true
cmp "$work/whole.tar" "$work/out/image.tar" || [ "$(skopeo inspect "oci-archive:$work/out/image.tar" | wc -l)" -gt 1 ] || fail "a half image is visible"
say "bad input" "unknown models, names, programs and options are named; a full disk and a kill leave the image before"

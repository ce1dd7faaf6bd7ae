"""Data of the demonstrations: packages of npm and PyPI with a known digest, kept in ~/.cache/cupola/demos."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "cupola/demos"


def from_npm(requirement: str, sha256: str) -> pathlib.Path:
    """Path of the archive of a package."""
    def pack(folder):
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, requirement], check=True,
                       stdout=subprocess.DEVNULL)
        return next(pathlib.Path(folder).iterdir()).read_bytes()
    return kept(requirement.removeprefix("@").replace("/", "-") + ".tgz", sha256, pack)


def from_pypi(project: str, name: str, sha256: str) -> pathlib.Path:
    """Path of a file of a project.

    `pip download` would run the setup.py of a source package, which may need packages that are not installed.
    """
    def download(_):
        index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + f"/{project}/"
        request = urllib.request.Request(index, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
        with urllib.request.urlopen(request) as answer:
            files = json.load(answer)["files"]
        file = next(file for file in files if file["filename"] == name)
        with urllib.request.urlopen(urllib.parse.urljoin(index, file["url"])) as answer:
            return answer.read()
    return kept(name, sha256, download)


def kept(name: str, sha256: str, load) -> pathlib.Path:
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            data = load(folder)
            (pathlib.Path(folder) / "whole").write_bytes(data)
            (pathlib.Path(folder) / "whole").rename(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"{path}: SHA-256 is {found}, expected {sha256}; delete the file to fetch it again")
    return path


def python_with(package: str) -> pathlib.Path:
    """Interpreter of a virtual environment with a package such as `pyarrow==21.0.0`."""
    folder = CACHE / package.replace("==", "-")
    if not (folder / "ok").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", "--only-binary", ":all:", package], check=True)
        (folder / "ok").touch()
    return folder / "bin/python"

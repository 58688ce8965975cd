"""The development environment: one virtual environment with everything pinned, made once and trusted by its stamp.

Standard library only, any Python from 3.9: this runs before there is an environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from .installers import Pip, Uv, is_whole, pip_configuration
from .progress import Bar

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (3, 11)  # bpy 4.5's wheel is for this one only
EXTRAS = "blender,demo,test"
STAMP = "understudy.json"
LOG = "understudy-install.log"


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def python_of(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def site_packages_of(venv: Path) -> Path:
    """Where a virtual environment keeps its packages."""
    return venv / "Lib" / "site-packages" if os.name == "nt" else venv / "lib" / "python3.11" / "site-packages"


def fingerprint() -> str:
    """What an environment depends on, as a digest: the pins, and the folder that the editable install points to."""
    sha = hashlib.sha256(json.dumps([str(ROOT), PYTHON, EXTRAS]).encode())
    for name in ("pyproject.toml", "server/requirements.txt"):
        sha.update((ROOT / name).read_bytes())
    return sha.hexdigest()


def ensure(venv: Path, torch_index: str | None = None) -> Path:
    """The interpreter of a complete environment in `venv`; makes or resumes it where it is not. Raises `SetupError`.

    `torch_index` is a package index whose build of PyTorch is to be installed rather than the ordinary index's. The stamp is
    written last, so an attempt that was cut short is never taken for a finished one.
    """
    if torch_index and any(is_whole(dist_info) for dist_info in site_packages_of(venv).glob("torch-*.dist-info")):
        raise SetupError(
            f"{venv} has its PyTorch already. Leave --torch-index out to go on with that, or remove the folder to choose anew."
        )
    stamp = venv / STAMP
    python = python_of(venv)
    wanted = fingerprint()
    if python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    stamp.unlink(missing_ok=True)
    print(
        f"Setting up {venv} (Python 3.11, torch, Blender as a module; about 2.5 GB on disk with PyTorch's CPU build).",
        flush=True,
    )
    uv = shutil.which("uv")
    _create(venv, uv)
    _forget_half_installed(site_packages_of(venv))
    _install(venv, uv, torch_index)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _version_of(command: list[str]) -> tuple[int, int] | None:
    code = "import sys; print(*sys.version_info[:2])"
    try:
        result = subprocess.run([*command, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        major, minor = result.stdout.split()
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return int(major), int(minor)


def find_python() -> list[str] | None:
    """The command of a Python 3.11 on this machine, or None."""
    if sys.version_info[:2] == PYTHON:
        return [sys.executable]
    candidates = [[path] for path in (shutil.which("python3.11"), shutil.which("python")) if path]
    if launcher := shutil.which("py"):
        candidates.insert(0, [launcher, "-3.11"])
    return next((command for command in candidates if _version_of(command) == PYTHON), None)


def _create(venv: Path, uv: str | None) -> None:
    """A virtual environment with a working Python 3.11 in `venv`; one that is there and works is kept."""
    python = python_of(venv)
    if python.exists() and _version_of([str(python)]) == PYTHON and (uv or _has_pip(python)):
        return
    if venv.exists() and any(venv.iterdir()):
        if not (venv / "pyvenv.cfg").is_file():
            raise SetupError(f"{venv} holds other things than an environment. Choose another folder with --venv.")
        print(f"{venv} has no working Python 3.11: making it anew.", flush=True)
        shutil.rmtree(venv)
    found = find_python()
    if uv:
        # `3.11` lets uv fetch an interpreter where the machine has none.
        command = [uv, "venv", "--quiet", "--python", found[0] if found and len(found) == 1 else "3.11", str(venv)]
    elif found:
        command = [*found, "-m", "venv", str(venv)]
    else:
        raise SetupError(
            "Python 3.11 is needed: Blender's module for Python exists for that version only. Install Python 3.11 "
            "(https://www.python.org/downloads/), or uv (https://docs.astral.sh/uv/), which fetches it by itself."
        )
    result = subprocess.run(command, check=False)
    if result.returncode:
        raise SetupError(
            f"{' '.join(command)} failed. On Debian and Ubuntu, `apt install python3.11-venv` provides what it needs."
        )


def _has_pip(python: Path) -> bool:
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _forget_half_installed(site_packages: Path) -> None:
    """Drop the records of packages whose installation was cut short, so that the installer does them again."""
    for dist_info in site_packages.glob("*.dist-info"):
        if not is_whole(dist_info):
            shutil.rmtree(dist_info)


def _install(venv: Path, uv: str | None, torch_index: str | None) -> None:
    python = python_of(venv)
    indexes = [torch_index] if torch_index else []
    if uv:
        installer = Uv(uv, python, pip_configuration((find_python() or [sys.executable])[0]), indexes)
    else:
        pins = (ROOT / "pyproject.toml").read_text(encoding="utf-8") + (ROOT / "server/requirements.txt").read_text(
            encoding="utf-8"
        )
        direct = len(re.findall(r"[\w\]]==[\d.]+|>=[\d.]+,", pins))
        installer = Pip(python, site_packages_of(venv), direct, indexes)
    log = venv / LOG
    command = [*installer.command, "--editable", f"{ROOT}[{EXTRAS}]"]
    with Bar("Environment") as bar, log.open("w", encoding="utf-8") as kept:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
        ) as process:
            try:
                _follow(process, installer, bar, kept)
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
            raise SetupError(
                f"The packages could not be installed:\n{tail}\nThe whole log: {log}. Run the command again to resume."
            )


def _follow(process: subprocess.Popen, installer: Uv | Pip, bar: Bar, log) -> None:
    """Read the installer's lines into the log and the bar until it ends; look at the disk where it is silent."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def pump() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            state = installer.poll()
        else:
            if line is None:
                break
            log.write(line)
            log.flush()
            state = installer.read(line)
        if state:
            bar.update(*state)
    process.wait()

"""The Python environment that the server runs in: make it, check it. Blocking: called from threads. No bpy, no torch."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from ..core.errors import Cancelled, EnvironmentMissing
from .messages import EnvironmentProgress, Post

REQUIREMENTS = Path(__file__).resolve().parent.parent / "server" / "requirements.txt"
OLDEST_PYTHON = (3, 11)
CHECK_TIMEOUT = 300.0  # the first import of torch from a cold disk takes a minute

# Run by the environment's own Python: what the server needs, and what torch will compute on.
_CHECK = """
import sys
if sys.version_info < (3, 11):
    sys.exit("it is Python %d.%d, and the server needs 3.11 or newer" % sys.version_info[:2])
import cv2, diffusers, einops, fastapi, imageio, imageio_ffmpeg, numpy, PIL, platformdirs, psutil, python_multipart
import safetensors, sse_starlette, torch, tqdm, uvicorn
device = "CUDA" if torch.cuda.is_available() else "MPS" if torch.backends.mps.is_available() else "CPU"
print(f"Python {sys.version_info[0]}.{sys.version_info[1]}, torch {torch.__version__}, {device}")
"""
_VERSION = "import sys, ensurepip, venv; print(*sys.version_info[:2])"


class TorchBuild(enum.StrEnum):
    """Which build of torch to install; a value is the tail of its index's address."""

    DEFAULT = "default"
    CPU = "cpu"
    CUDA = "cu128"
    CUSTOM = "custom"


@dataclass(frozen=True)
class EnvironmentSpec:
    """What to make: `folder` is replaced as a whole, once the new one is complete. `index_url` serves `TorchBuild.CUSTOM`."""

    folder: Path
    torch: TorchBuild = TorchBuild.DEFAULT
    index_url: str = ""
    requirements: Path = REQUIREMENTS
    check: str = _CHECK

    @property
    def python(self) -> Path:
        return python_of(self.folder)

    @property
    def log(self) -> Path:
        return self.folder.parent / "environment.log"

    def is_current(self) -> bool:
        """Whether the environment is complete, and made from these very requirements."""
        with contextlib.suppress(OSError):
            return self.marker.read_text(encoding="utf-8") == self.digest()
        return False

    @property
    def marker(self) -> Path:
        return self.folder / "complete.txt"

    @property
    def previous(self) -> Path:
        """Where an earlier environment waits while the new one is made."""
        return self.folder.with_name(f"{self.folder.name}.previous")

    def digest(self) -> str:
        return hashlib.sha256(self.requirements.read_bytes()).hexdigest()

    def index_arguments(self) -> list[str]:
        if self.torch is TorchBuild.DEFAULT:
            return []
        url = self.index_url if self.torch is TorchBuild.CUSTOM else f"https://download.pytorch.org/whl/{self.torch}"
        return ["--extra-index-url", url]


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def require(python: Path) -> None:
    """Raise `EnvironmentMissing` unless `python` is a file. Whether it has what the server needs, `check` tells."""
    if not python.is_file():
        raise EnvironmentMissing(f"The server has no Python environment: there is no {python}.")


def check(python: Path, code: str = _CHECK) -> str:
    """What the environment of `python` has, for people. Raises `EnvironmentMissing` where something lacks."""
    require(python)
    try:
        result = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, errors="replace", timeout=CHECK_TIMEOUT,
            env=_clean_variables(), stdin=subprocess.DEVNULL, **_windowless(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentMissing(f"{python} does not run: {error}.") from error
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EnvironmentMissing(f"{python} cannot run the server: {reason}.")
    return result.stdout.strip()


class Creation:
    """One making of an environment. An earlier one is put back where it fails; all output is kept in `spec.log`."""

    def __init__(self, spec: EnvironmentSpec, post: Post):
        self._spec = spec
        self._post = post
        self._cancelled = threading.Event()
        self._process: subprocess.Popen | None = None

    def cancel(self) -> None:
        """Stop it, from any thread; `run` then raises `Cancelled`."""
        self._cancelled.set()
        if process := self._process:
            process.terminate()

    def run(self) -> str:
        """What `check` says of the new environment. Raises `EnvironmentMissing` where it fails, `Cancelled`."""
        spec = self._spec
        try:
            spec.log.parent.mkdir(parents=True, exist_ok=True)
            self._put_aside()
            try:
                description = self._make()
            except BaseException:
                self._put_back()
                raise
            shutil.rmtree(spec.previous, ignore_errors=True)
            return description
        except OSError as error:
            raise EnvironmentMissing(
                f"The environment cannot be made in {spec.folder}: {error}.",
                "Free some space, or use an existing environment.",
            ) from error

    def _put_aside(self) -> None:
        """Make room for the new environment; what an interrupted making left is not worth keeping."""
        spec = self._spec
        if spec.folder.exists() and (spec.marker.exists() or not spec.previous.exists()):
            _remove(spec.previous)
            spec.folder.rename(spec.previous)  # an environment works only where it was made: there it will be again
        _remove(spec.folder)

    def _put_back(self) -> None:
        _remove(self._spec.folder)
        if self._spec.previous.exists():
            self._spec.previous.rename(self._spec.folder)

    def _make(self) -> str:
        spec = self._spec
        steps = [*_commands(spec), ("Trying it", [str(spec.python), "-c", spec.check])]
        with spec.log.open("w", encoding="utf-8") as log:
            for number, (title, command) in enumerate(steps):
                last_line = self._step(EnvironmentProgress(number, len(steps), title, ""), command, log)
        spec.marker.write_text(spec.digest(), encoding="utf-8")
        return last_line

    def _step(self, progress: EnvironmentProgress, command: list[str], log: TextIO) -> str:
        """Run `command`; the last line that it wrote."""
        self._post(progress)
        log.write(f"$ {' '.join(command)}\n")
        last_line = ""
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=_clean_variables(), **_windowless(),
        ) as process:  # fmt: skip
            self._process = process
            if self._cancelled.is_set():  # it was set before there was a process to end
                process.terminate()
            for line in process.stdout:
                log.write(line)
                log.flush()
                last_line = line.strip() or last_line
                self._post(replace(progress, line=last_line))
        self._process = None
        if self._cancelled.is_set():
            raise Cancelled("Making the environment was cancelled.")
        if process.returncode:
            raise EnvironmentMissing(f"{progress.title} failed: {last_line}", f"Open the log to see why: {self._spec.log}")
        return last_line


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _commands(spec: EnvironmentSpec) -> list[tuple[str, list[str]]]:
    """(title, command) of each step; by uv where it is installed, for it is many times faster."""
    python, requirements = str(spec.python), str(spec.requirements)
    install = "Installing torch and the server's other packages"
    if uv := shutil.which("uv"):
        # pip's rule, best version of any index: uv's own would look for every package on torch's index alone.
        pick = ["--index-strategy", "unsafe-best-match"] if spec.index_arguments() else []
        return [
            ("Making the environment", [uv, "venv", "--python", "3.11", str(spec.folder)]),
            (install, [uv, "pip", "install", "--python", python, "-r", requirements, *pick, *spec.index_arguments()]),
        ]
    pip = [python, "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
    return [
        ("Making the environment", [_find_python(), "-m", "venv", str(spec.folder)]),
        (install, [*pip, "-r", requirements, *spec.index_arguments()]),
    ]


def _find_python() -> str:
    """A Python that can make environments: Blender's own, else one on PATH. Raises `EnvironmentMissing`."""
    names = ("python3.13", "python3.12", "python3.11", "python3", "python")
    for candidate in (sys.executable, *filter(None, map(shutil.which, names))):
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            result = subprocess.run(
                [candidate, "-c", _VERSION], capture_output=True, text=True, timeout=30, env=_clean_variables(), **_windowless()
            )
            if result.returncode == 0 and tuple(map(int, result.stdout.split())) >= OLDEST_PYTHON:
                return candidate
    raise EnvironmentMissing(
        "No Python 3.11 or newer that can make environments was found.",
        "Install uv or Python 3.11 (with its venv module), or use an existing environment.",
    )


def _clean_variables() -> dict[str, str]:
    """This process's variables without those by which Blender points Python at its own packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")}


def _windowless() -> dict[str, int]:
    """On Windows, no console window flashes up."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}

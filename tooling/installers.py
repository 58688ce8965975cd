"""The two package installers, uv and pip: what to call, and how far a line of their output says they are."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

MEGABYTES = {"B": 1e-6, "KB": 1e-3, "KIB": 1e-3, "MB": 1.0, "MIB": 1.05, "GB": 1e3, "GIB": 1.07e3}
SIZE = re.compile(r"\((\d+(?:\.\d+)?)\s*([kKMG]?i?B)\)")


def megabytes(text: str) -> float:
    """The size that an installer's line names in brackets, `(372.8 MB)`; 0 where it names none."""
    match = SIZE.search(text)
    return float(match[1]) * MEGABYTES[match[2].upper()] if match else 0.0


def normalised(name: str) -> str:
    """A distribution's name as an index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pip_sources(pip_config: str, indexes: Sequence[str] = ()) -> list[str]:
    """uv's options for the places that `pip config list` names, and for `indexes`: uv does not read pip's configuration.

    Without them a machine whose wheels come from a folder or a mirror would fetch other ones under uv than under pip.
    """
    options: list[str] = []
    for line in pip_config.splitlines():
        key, _, value = line.partition("=")
        option = {"find-links": "--find-links", "extra-index-url": "--extra-index-url", "index-url": "--index-url"}
        if flag := option.get(key.rpartition(".")[2].strip()):
            for place in shlex.split(value.strip().strip("'\"")):
                options += [flag, place]
    for index in indexes:
        options += ["--extra-index-url", index]
    if "--extra-index-url" in options:
        options += ["--index-strategy", "unsafe-best-match"]  # as pip does: the best version of all indexes
    return options


class Uv:
    """`uv pip install`: it announces what it downloads, with sizes, so the bar counts megabytes."""

    def __init__(self, program: str, python: Path, pip_config: str, indexes: Sequence[str] = ()):
        self.command = [program, "pip", "install", "--python", str(python), *pip_sources(pip_config, indexes)]
        self.sizes: dict[str, float] = {}
        self.fetched: set[str] = set()

    def read(self, line: str) -> tuple[float, str] | None:
        """Fraction done and what is being done, where this line says so."""
        words = line.split()
        if len(words) < 2:
            return None
        if words[0] == "Resolved":
            return 0.1, f"{words[1]} packages to install"
        if words[0] == "Downloading":
            self.sizes[words[1]] = megabytes(line)
        elif words[0] == "Downloaded":
            self.fetched.add(words[1])
        elif words[0] == "Prepared":
            return 0.9, "unpacking"
        else:
            return None
        total = sum(self.sizes.values())
        done = sum(size for name, size in self.sizes.items() if name in self.fetched)
        return 0.1 + 0.8 * done / max(total, 1e-6), f"downloaded {done:.0f} of {total:.0f} MB"

    def poll(self) -> tuple[float, str] | None:
        """What can be said between lines: nothing, uv unpacks in a second."""
        return None


class Pip:
    """`pip install`: it collects requirement by requirement, then installs in silence, so finished packages are counted.

    `direct` is how many requirements we name ourselves; those that they bring follow, in a fraction of the time.
    """

    def __init__(self, python: Path, site_packages: Path, direct: int, indexes: Sequence[str] = ()):
        self.command = [str(python), "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
        self.command += [option for index in indexes for option in ("--extra-index-url", index)]
        self.site_packages = site_packages
        self.direct = direct
        self.collected = 0
        self.wheel = ""
        self.sizes: dict[str, float] = {}
        self.pending: set[str] = set()

    def read(self, line: str) -> tuple[float, str] | None:
        """Fraction done and what is being done, where this line says so."""
        words = line.split()
        if len(words) < 2:
            return None
        if words[0] in ("Collecting", "Processing") or line.startswith("Requirement already satisfied"):
            if "->" not in line:  # an arrow: brought by another requirement
                self.collected += 1
            if words[0] == "Processing":
                self._note_wheel(words[1])
            name = normalised(re.split(r"[<>=!~ ]", line.rpartition(": ")[2].removeprefix("Collecting "))[0])
            name = self.wheel if words[0] == "Processing" else name
            return 0.5 * min(1.0, self.collected / max(self.direct, 1)), f"collecting {name}"
        if words[0] == "Downloading" or line.lstrip().startswith("Using cached"):
            self._note_wheel(words[2] if words[0] == "Using" else words[1], megabytes(line))
            return None
        if line.startswith("Installing collected packages:"):
            self.pending = {normalised(name) for name in line.partition(":")[2].replace(",", " ").split()}
            return 0.5, f"installing {len(self.pending)} packages"
        return None

    def _note_wheel(self, source: str, size: float = 0.0) -> None:
        path = Path(unquote(urlsplit(source).path) if source.startswith("file:") else source)
        self.wheel = normalised(path.name.split("-")[0])
        self.sizes[self.wheel] = size or (path.stat().st_size / 1e6 if path.is_file() else 0.0)

    def poll(self) -> tuple[float, str] | None:
        """What can be said between lines: how much of what is pending stands in site-packages by now."""
        if not self.pending:
            return None
        present = {normalised(path.name.split("-")[0]) for path in self.site_packages.glob("*.dist-info") if is_whole(path)}
        done = self.pending & present
        weight = {name: self.sizes.get(name, 0.0) + 1.0 for name in self.pending}  # 1: small ones take their time too
        fraction = sum(weight[name] for name in done) / sum(weight.values())
        return 0.5 + 0.5 * fraction, f"installed {len(done)} of {len(self.pending)} packages"


def is_whole(dist_info: Path) -> bool:
    """Whether an installation came to its end: INSTALLER and RECORD are written last."""
    return (dist_info / "INSTALLER").is_file() and (dist_info / "RECORD").is_file()


def pip_configuration(python: str) -> str:
    """What `pip config list` prints under that Python; nothing where it has no pip."""
    result = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else ""

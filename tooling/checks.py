"""Style and types: ruff over everything, mypy over the extension against Blender's API as fake-bpy-module describes it.

    python3 -m tooling.checks

Standard library only, Python 3.9 or later. The checkers live in `.venvs/types`: the stubs and the real bpy cannot share an
environment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from .environment import ROOT, SetupError, find_python, python_of, site_packages_of

VENV = ROOT / ".venvs" / "types"
REQUIREMENTS = ("ruff==0.17.5", "mypy==2.4.1", "fake-bpy-module-4.5==20260730", "numpy==1.26.4")
ROOMS = ("blender_addon", "core", "server")
# What the stubs cannot know: class, and the attribute that it has all the same.
ADDED = (
    ("Scene", "understudy"),  # the add-on registers it
    ("NodeSocket", "default_value"),  # every kind of socket that our code sets has it
    ("Modifier", "object"),  # of the kinds that our code looks into, found by their `type`
    ("Space", "region_3d"),  # likewise
    ("WorkSpace", "sequencer_scene"),  # since Blender 5.0
    ("Strip", "elements"),  # of image strips, the only ones that our code makes
)


def prepare() -> Path:
    """The checkers' interpreter; makes the environment where it is missing or was made for other requirements."""
    stamp = VENV / "requirements.txt"
    wanted = "\n".join(REQUIREMENTS)
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        python = find_python()
        if python is None:
            raise SetupError("Python 3.11 is needed, as for `build.py env`.")
        shutil.rmtree(VENV, ignore_errors=True)
        subprocess.run([*python, "-m", "venv", str(VENV)], check=True)
        pip = [str(python_of(VENV)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *REQUIREMENTS], check=True)
        complete_stubs(site_packages_of(VENV) / "bpy-stubs" / "types" / "__init__.pyi")
        link_package(VENV / "source")
        stamp.write_text(wanted, encoding="utf-8")
    return python_of(VENV)


def complete_stubs(path: Path) -> None:
    """Declare what `ADDED` lists in the stubs of `bpy.types`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for name, attribute in ADDED:
        at = next(number for number, line in enumerate(lines) if line.startswith((f"class {name}(", f"class {name}:")))
        while not lines[at].rstrip().endswith(":"):  # the bases may take several lines
            at += 1
        lines.insert(at + 1, f"    {attribute}: typing.Any")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def link_package(folder: Path) -> None:
    """`understudy` in `folder` as a link to the repository's root, which is the package but does not bear its name."""
    folder.mkdir()
    (folder / "understudy").symlink_to(ROOT, target_is_directory=True)


def main() -> int:
    try:
        python = prepare()
    except SetupError as error:
        print(f"checks: {error}", file=sys.stderr)
        return 1
    source = VENV / "source" / "understudy"
    for command in (["ruff", "check", "."], ["mypy", *(str(source / room) for room in ROOMS)]):
        print(f"checks: {command[0]}", flush=True)
        if status := subprocess.run([str(python), "-m", *command], cwd=ROOT, check=False).returncode:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The extension zip, made and checked by Blender's own extension tool.

    python -m tooling.package --out dist

Runs in the environment's Python, whose `bpy` package brings the tool: what `blender --command extension` calls.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from .environment import ROOT


class PackageError(Exception):
    """The extension tool refused; the message is what it said."""


def extension_tool() -> Path:
    """`blender_ext.py` of the installed bpy, found without importing bpy."""
    spec = importlib.util.find_spec("bpy")
    package = Path(spec.origin).parent
    found = sorted(package.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not found:
        raise PackageError(f"{package} holds no extension tool: is this Blender older than 4.2?")
    return found[0]


def _run(*arguments: str | Path) -> str:
    command = [sys.executable, str(extension_tool()), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (result.stdout + result.stderr).strip()
    if result.returncode:
        raise PackageError(f"blender_ext.py {arguments[0]} failed:\n{said}")
    return said


def build(out: Path) -> Path:
    """Make `understudy-<version>.zip` in `out` and check it; its path. Raises `PackageError`."""
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{manifest['id']}-{manifest['version']}.zip"
    _run("build", "--source-dir", ROOT, "--output-filepath", path)
    _run("validate", path)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    try:
        path = build(parser.parse_args().out)
    except PackageError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    with zipfile.ZipFile(path) as archive:
        count = len(archive.namelist())
    print(f"{path}\n{path.stat().st_size / 1e6:.2f} MB, {count} files, valid by Blender's extension checker")
    return 0


if __name__ == "__main__":
    sys.exit(main())

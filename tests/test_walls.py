"""DESIGN.md's walls, held by reading every import of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("blender_addon", "core", "server")
FILES = [ROOT / "__init__.py", *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]

# Who may import whom within the package: the first entry that a module's name begins with decides. Its own room below
# `core` (`core.pose` for `core.pose.clip`) is always allowed, as is `core.version`.
MAY_IMPORT = {
    "core.errors": (),
    "core.version": (),
    "core.files": ("core.errors",),
    "core.protocol": ("core.errors",),
    "core.pose": ("core.errors", "core.files", "core.protocol"),
    "core.control": ("core.errors", "core.protocol", "core.pose"),
    "core.diffusion": ("core.errors", "core.protocol", "core.pose", "core.control"),
    "core.engines": ("core.errors", "core.protocol", "core.pose", "core.control", "core.diffusion"),
    "core.training": ("core",),
    "core.provenance": ("core.errors", "core.protocol", "core.pose"),
    "core.weights": (),
    "core": (),
    "blender_addon": ("blender_addon", "core.errors", "core.files", "core.protocol", "core.pose"),
    "server.worker_main": (
        "server", "core.errors", "core.files", "core.protocol", "core.pose.clip", "core.pose.reference", "core.engines",
    ),
    "server.parity": ("core.errors", "core.engines"),
    "server.control": ("server", "core.errors", "core.files", "core.pose", "core.control"),
    "server": (
        "server", "core.errors", "core.files", "core.protocol", "core.pose.clip", "core.pose.reference", "core.engines.catalog",
    ),
    "": ("blender_addon",),
}  # fmt: skip
# Which modules alone may import these packages.
ONLY_UNDER = {
    "bpy": ("blender_addon",),
    "bpy_extras": ("blender_addon",),
    "bmesh": ("blender_addon",),
    "mathutils": ("blender_addon",),
    "gpu": ("blender_addon",),
    "blf": ("blender_addon",),
    "torch": ("core.diffusion", "core.engines", "core.training", "server.worker_main"),
    "diffusers": ("core.diffusion", "core.engines", "core.training"),
    "safetensors": ("core.diffusion", "core.engines", "core.training"),
    "fastapi": ("server",),
    "starlette": ("server",),
    "uvicorn": ("server",),
}
WITHOUT_TORCH = ("core.engines", "core.engines.catalog", "core.engines.interface", "core.engines.layout")
STANDARD_LIBRARY_ONLY = ("core.errors", "core.files", "core.version", "core.protocol")


def module_of(path: Path) -> str:
    """`core.pose.clip` for core/pose/clip.py, `core.pose` for its `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, module, whether of this package) of every import in a file, inside functions too, for type checkers too."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, False
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module, False
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                deeper = ".".join([*base, alias.name])
                yield node.lineno, deeper if is_module(deeper) else ".".join(base), True


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def allowed(module: str) -> tuple[str, ...]:
    rule = next(rule for rule in MAY_IMPORT if within(module, rule) or not rule)
    own = (rule,) if rule.count(".") == 1 and rule.startswith("core.") else ()
    return (*MAY_IMPORT[rule], *own, "core.version")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_keep_to_the_walls(path):
    module = module_of(path)
    for line, imported, ours in imports(path):
        where = f"{path.relative_to(ROOT)}:{line}: {imported}"
        if ours:
            assert any(within(imported, room) for room in allowed(module)), f"{where}: {module} may not import that"
            continue
        top = imported.partition(".")[0]
        assert top not in ("understudy", *ROOMS), f"{where}: imports within the package are relative"
        if top in ONLY_UNDER:
            assert any(within(module, room) for room in ONLY_UNDER[top]), f"{where}: not in {module}"
        assert not (top == "torch" and module in WITHOUT_TORCH), f"{where}: the server process imports {module}"
        assert not (top == "numpy" and module in STANDARD_LIBRARY_ONLY), f"{where}: standard library only"


def test_nothing_imports_bpy_when_the_package_is_imported():
    for node in ast.parse((ROOT / "__init__.py").read_bytes()).body:
        assert not isinstance(node, ast.Import | ast.ImportFrom), ast.unparse(node)


def test_the_rules_see_every_kind_of_import(tmp_path, monkeypatch):
    """A test of the test: one forbidden import of each kind, in a file of the server's."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    for folder in ("server", "core/engines", "blender_addon"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").touch()
    for engine in ("catalog", "understudy"):
        (tmp_path / "core/engines" / f"{engine}.py").touch()
    bad = tmp_path / "server/bad.py"
    for line in (
        "import torch.nn",
        "def f():\n    from torch import nn",
        "from understudy.core import errors",
        "from ..core.engines import understudy",
        "from ..core.engines.understudy import create",
        "from .. import blender_addon",
        "import bpy",
    ):
        bad.write_text(line)
        with pytest.raises(AssertionError):
            test_imports_keep_to_the_walls(bad)
    bad.write_text("from ..core.engines import catalog\nfrom . import good\nimport json")
    test_imports_keep_to_the_walls(bad)

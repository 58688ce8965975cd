"""`build.py`: what must hold before there is an environment."""

import ast
from pathlib import Path

import pytest

import build

ROOT = Path(build.__file__).parent
BOOTSTRAP = (
    "build.py",
    "tooling/__init__.py",
    "tooling/environment.py",
    "tooling/installers.py",
    "tooling/progress.py",
    "tooling/checks.py",
)


@pytest.mark.parametrize("name", BOOTSTRAP)
def test_the_bootstrap_is_read_by_python_3_9(name):
    ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("name", BOOTSTRAP)
def test_the_bootstrap_needs_the_standard_library_alone(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    ours = {"tooling", "tooling.environment"}
    standard = {
        "__future__", "argparse", "collections.abc", "hashlib", "json", "os", "pathlib", "queue", "re", "shlex", "shutil",
        "subprocess", "sys", "threading", "time", "typing", "urllib.parse",
    }  # fmt: skip
    assert imported <= ours | standard


def test_arguments_that_nobody_reads_are_refused(capsys):
    with pytest.raises(SystemExit) as refused:
        build.main(["package", "--fast"])
    assert refused.value.code == 2
    assert "--fast" in capsys.readouterr().err


def test_a_set_up_that_fails_says_why_and_ends_with_a_status(monkeypatch, capsys):
    def fail(venv, index):
        raise build.SetupError("Python 3.11 is needed.")

    monkeypatch.setattr(build.environment, "ensure", fail)
    assert build.main(["env"]) == 1
    assert "Python 3.11 is needed." in capsys.readouterr().err


def test_arguments_of_test_go_to_pytest(monkeypatch):
    commands = []
    monkeypatch.setattr(build.environment, "ensure", lambda venv, index: Path("python"))
    monkeypatch.setattr(build, "run", lambda command: commands.append(command) or 0)
    assert build.main(["test", "tests/core", "-x"]) == 0
    assert commands == [[Path("python"), "-m", "pytest", "tests/core", "-x"]]


def test_the_demo_needs_no_options(monkeypatch):
    commands = []
    monkeypatch.setattr(build.environment, "ensure", lambda venv, index: Path("python"))
    monkeypatch.setattr(build, "run", lambda command: commands.append(command) or 0)
    assert build.main(["demo"]) == 0
    assert commands[0][:3] == [Path("python"), "-m", "tooling.demo"]
    assert "--blender" not in commands[0]


def test_the_index_of_torch_reaches_the_installers(monkeypatch):
    indexes = []
    monkeypatch.setattr(build.environment, "ensure", lambda venv, index: indexes.append(index) or Path("python"))
    build.main(["env", "--torch-index", "https://index"])
    build.main(["env"])
    assert indexes == ["https://index", None]


def test_a_blender_that_is_none_is_refused_before_anything_is_set_up(monkeypatch, capsys):
    monkeypatch.setattr(build.environment, "ensure", lambda venv, index: pytest.fail("set up"))
    with pytest.raises(SystemExit):
        build.main(["demo", "--blender", "no-such-blender"])
    assert "no-such-blender is not a program" in capsys.readouterr().err

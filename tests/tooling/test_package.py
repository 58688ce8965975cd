"""The zip, by Blender's own extension tool."""

import zipfile

import pytest

from tooling import package


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    with zipfile.ZipFile(package.build(tmp_path_factory.mktemp("dist"))) as archive:
        return set(archive.namelist())


def test_the_zip_holds_addon_server_and_model(names):
    assert {
        "__init__.py", "blender_manifest.toml", "LICENSE", "blender_addon/operators.py", "server/app.py",
        "server/requirements.txt", "core/engines/understudy.py", "core/weights/understudy.safetensors",
    } <= names  # fmt: skip


def test_the_zip_holds_nothing_of_the_workshop(names):
    tops = {name.split("/")[0] for name in names}
    assert not tops & {"tests", "tooling", "docs", "out", "build.py", "pyproject.toml", ".git", ".venv"}
    assert not any("__pycache__" in name or name.startswith("core/training") for name in names)


def test_a_refusal_of_the_tool_is_passed_on(tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(package.PackageError, match="validate failed"):
        package._run("validate", tmp_path / "broken.zip")

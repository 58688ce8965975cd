"""When an environment is trusted, and when it is made again."""

import subprocess
import sys

import pytest

from tooling import environment


@pytest.fixture
def venv(tmp_path):
    """An environment that was made to its end, without packages."""
    python = environment.python_of(tmp_path)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / environment.STAMP).write_text(environment.fingerprint())
    return tmp_path


@pytest.fixture
def installed(monkeypatch):
    """Counts the installations instead of making them."""
    calls = []
    monkeypatch.setattr(environment, "_create", lambda venv, uv: calls.append("create"))
    monkeypatch.setattr(environment, "_install", lambda venv, uv, index: calls.append("install"))
    return calls


def test_a_complete_environment_is_used_as_it_is(venv, installed):
    assert environment.ensure(venv) == environment.python_of(venv)
    assert installed == []


def test_changed_pins_install_again(venv, installed):
    (venv / environment.STAMP).write_text("of other pins")
    environment.ensure(venv)
    assert installed == ["create", "install"]
    assert (venv / environment.STAMP).read_text() == environment.fingerprint()


def test_an_attempt_that_was_cut_short_leaves_no_stamp(venv, installed, monkeypatch):
    (venv / environment.STAMP).write_text("of other pins")

    def interrupted(venv, uv, index):
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        environment.ensure(venv)
    assert not (venv / environment.STAMP).exists()


def test_another_torch_is_not_promised_where_there_is_one(venv, installed):
    dist_info = environment.site_packages_of(venv) / "torch-2.13.0.dist-info"
    dist_info.mkdir(parents=True)
    environment.ensure(venv, "https://index")
    for name in ("INSTALLER", "RECORD"):
        (dist_info / name).touch()
    with pytest.raises(environment.SetupError, match="has its PyTorch already"):
        environment.ensure(venv, "https://index")


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(environment.SetupError, match="holds other things"):
        environment._create(tmp_path, None)
    assert (tmp_path / "notes.txt").exists()


def test_half_installed_packages_are_forgotten(tmp_path):
    whole, half = tmp_path / "numpy-1.0.dist-info", tmp_path / "torch-2.0.dist-info"
    for folder in (whole, half):
        folder.mkdir()
        (folder / "INSTALLER").write_text("pip")
    (whole / "RECORD").write_text("")
    environment._forget_half_installed(tmp_path)
    assert whole.exists()
    assert not half.exists()


def test_without_python_3_11_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "find_python", lambda: None)
    with pytest.raises(environment.SetupError, match=r"Install Python 3\.11 .* or uv"):
        environment._create(tmp_path / "venv", None)


def test_a_failing_installation_shows_its_last_lines_and_keeps_the_log(tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    with pytest.raises(environment.SetupError, match="No module named pip"):
        environment._install(tmp_path, None, None)
    assert "No module named pip" in (tmp_path / environment.LOG).read_text()

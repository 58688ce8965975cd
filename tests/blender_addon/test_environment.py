"""Environments are made for real, but with one small package: the real requirements take minutes."""

import re
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from understudy.blender_addon.environment import REQUIREMENTS, Creation, EnvironmentSpec, TorchBuild, check
from understudy.blender_addon.messages import EnvironmentProgress
from understudy.core.errors import Cancelled, EnvironmentMissing


@pytest.fixture
def spec(tmp_path) -> EnvironmentSpec:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("einops==0.8.2\n")
    return EnvironmentSpec(
        tmp_path / "environments" / "server", requirements=requirements, check="import einops; print('einops')"
    )


def test_an_environment_is_made_tried_and_known_as_complete(spec):
    told: list[EnvironmentProgress] = []
    assert Creation(spec, told.append).run() == "einops"
    assert spec.is_current()
    assert "einops" in spec.log.read_text()
    assert [entry.stage for entry in told] == sorted(entry.stage for entry in told)
    spec.requirements.write_text("einops\n")
    assert not spec.is_current()


def test_a_package_that_does_not_exist_fails_and_points_to_the_log(spec):
    spec.requirements.write_text("einops==99.99\n")
    with pytest.raises(EnvironmentMissing, match=r"environment\.log"):
        Creation(spec, lambda _: None).run()
    assert "99.99" in spec.log.read_text()
    assert not spec.is_current()


def test_making_it_can_be_cancelled(spec):
    begun = threading.Event()
    creation = Creation(spec, lambda _: begun.set())
    ended: list[BaseException] = []

    def run() -> None:
        try:
            creation.run()
        except Cancelled as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(10)
    creation.cancel()
    thread.join(20)
    assert len(ended) == 1
    assert not spec.is_current()


def test_a_failure_or_a_cancel_puts_the_earlier_environment_back(spec):
    Creation(spec, lambda _: None).run()
    asked = spec.requirements.read_text()
    spec.requirements.write_text("einops==99.99\n")
    with pytest.raises(EnvironmentMissing):
        Creation(spec, lambda _: None).run()
    spec.requirements.write_text(asked)
    assert spec.is_current()
    assert check(spec.python, spec.check) == "einops"
    cancelled = Creation(spec, lambda _: None)
    cancelled.cancel()
    with pytest.raises(Cancelled):
        cancelled.run()
    assert spec.is_current()
    assert not spec.previous.exists()


def test_the_last_check_can_be_cancelled(spec):
    slow = replace(spec, check="import time; print('trying', flush=True); time.sleep(60)")

    def listen(progress: EnvironmentProgress) -> None:
        if progress.line == "trying":
            creation.cancel()

    creation = Creation(slow, listen)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        creation.run()
    assert time.monotonic() - began < 50
    assert not spec.folder.exists()


# What a distribution is imported as, where that is not its own name.
IMPORTED_AS = {"pillow": "PIL", "opencv-python-headless": "cv2"}


def test_the_check_imports_everything_that_is_required():
    lines = [line.partition("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    distributions = [re.split(r"[=<>~!;\[ ]", line)[0] for line in lines if line]
    imported = set(re.findall(r"\w+", " ".join(re.findall(r"^import (.+)$", EnvironmentSpec.check, re.MULTILINE))))
    assert len(distributions) > 10
    assert {IMPORTED_AS.get(name, name.replace("-", "_")) for name in distributions} <= imported


def test_torchs_own_index_is_asked_for_the_build_chosen(tmp_path):
    def arguments(build: TorchBuild, url: str = "") -> list[str]:
        return EnvironmentSpec(tmp_path, build, url).index_arguments()

    assert arguments(TorchBuild.DEFAULT) == []
    assert arguments(TorchBuild.CPU)[1].endswith("/whl/cpu")
    assert arguments(TorchBuild.CUDA)[1].endswith("/whl/cu128")
    assert arguments(TorchBuild.CUSTOM, "https://example.org/rocm")[1] == "https://example.org/rocm"


def test_an_existing_environment_is_described():
    assert "torch 2." in check(Path(sys.executable))


def test_an_environment_that_lacks_a_package_is_refused_by_its_name():
    with pytest.raises(EnvironmentMissing, match="No module named 'nosuchpackage'"):
        check(Path(sys.executable), "import nosuchpackage")


def test_a_python_that_is_not_there_is_refused_by_its_path(tmp_path):
    with pytest.raises(EnvironmentMissing, match="nowhere"):
        check(tmp_path / "nowhere")

"""Environments are made for real, but with one small package: the real requirements take minutes."""

import sys
import threading
from pathlib import Path

import pytest
from understudy.blender_addon.environment import Creation, EnvironmentSpec, TorchBuild, check
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

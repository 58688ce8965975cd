from pathlib import Path

import pytest
from understudy.blender_addon.storage import make_folder, require_space, save, take_folder_name
from understudy.core.errors import DiskFull, JobFailed


def test_a_file_appears_whole_and_nothing_else_is_left(tmp_path):
    save(tmp_path / "0001.png", b"picture")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"0001.png": b"picture"}


def test_an_earlier_take_is_never_overwritten(tmp_path):
    folders = [make_folder(tmp_path / "takes", "Walk-1f3a9c2e") for _ in range(3)]
    assert [folder.name for folder in folders] == ["Walk-1f3a9c2e", "Walk-1f3a9c2e-2", "Walk-1f3a9c2e-3"]


@pytest.mark.parametrize(
    ("take", "folder"),
    [("Walk cycle", "Walk_cycle-0123abcd"), ("../../etc/passwd", "etc_passwd-0123abcd"), ("?", "take-0123abcd")],
)
def test_any_name_of_a_take_makes_a_safe_folder_name(take, folder):
    assert take_folder_name(take, "0123abcd" * 4) == folder


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full, a disk that is always full")
def test_a_full_disk_is_told_as_such(tmp_path):
    (tmp_path / "0001.png.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=r"disk is full: .*0001\.png"):
        save(tmp_path / "0001.png", b"picture")


def test_a_folder_that_cannot_be_made_names_the_preference(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JobFailed, match="preferences"):
        make_folder(tmp_path / "file", "take")


def test_a_disk_with_too_little_left_is_told_before_it_is_full(tmp_path):
    require_space(tmp_path, 1)
    with pytest.raises(DiskFull, match="are free"):
        require_space(tmp_path, 2**60)

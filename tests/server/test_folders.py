from __future__ import annotations

import pytest
from understudy.core.errors import DiskFull
from understudy.server import folders as folders_module
from understudy.server.folders import JobFolder, frame_name


def test_frames_count_from_1_on_the_disk(tmp_path):
    assert frame_name(0) == "0001.png"
    assert JobFolder(tmp_path).frame(11).name == "0012.png"
    names = [frame_name(index) for index in range(12)]
    assert names == sorted(names)


def test_references_keep_the_order_of_the_people(tmp_path):
    folder = JobFolder(tmp_path / "job")
    pictures = [bytes([number]) for number in range(12)]
    folder.create(b"clip", pictures)
    assert [path.read_bytes() for path in folder.references] == pictures


def test_a_folder_that_cannot_be_filled_is_not_there(tmp_path, monkeypatch):
    write = folders_module.write_atomically

    def full(path, data):
        if path.name.startswith("reference"):
            raise DiskFull("Full.")
        write(path, data)

    monkeypatch.setattr(folders_module, "write_atomically", full)
    with pytest.raises(DiskFull):
        JobFolder(tmp_path / "job").create(b"clip", [b"picture"])
    assert list(tmp_path.iterdir()) == []

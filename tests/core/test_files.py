"""`core/files.py`: whole or not there."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from understudy.core.errors import DiskFull
from understudy.core.files import full_disk_named, write_atomically


def test_a_file_is_written_whole_and_replaced(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_private_file_is_the_owners_even_where_a_part_lay_open(tmp_path):
    path, part = tmp_path / "token", tmp_path / "token.part"
    part.touch(0o666)
    part.chmod(0o666)
    write_atomically(path, b"secret", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_atomically(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match=r"a\.png"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_writing_to_a_full_device_is_disk_full():
    with pytest.raises(DiskFull, match="the log"), full_disk_named("the log"), open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123
        device.write(b"x")


def test_another_failure_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "a", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]

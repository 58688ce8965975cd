from __future__ import annotations

import json
import stat

import pytest
from understudy.core.errors import ServerStartFailed
from understudy.server.discovery import Discovery, FolderLock

HERE = Discovery("http://127.0.0.1:1", "secret", 42, "0.1.0", 1)


def test_the_address_is_written_for_the_owner_alone_and_removed(tmp_path):
    HERE.write(tmp_path)
    path = tmp_path / "server.json"
    assert json.loads(path.read_text()) == {
        "url": "http://127.0.0.1:1", "token": "secret", "pid": 42, "version": "0.1.0", "protocol": 1,
    }  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    Discovery.remove(tmp_path)
    Discovery.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_one_holder_at_a_time(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(ServerStartFailed, match=f"already uses {tmp_path}"):
        FolderLock(tmp_path)
    HERE.write(tmp_path)
    with pytest.raises(ServerStartFailed, match=r"http://127\.0\.0\.1:1, process 42") as refused:
        FolderLock(tmp_path)
    assert "secret" not in str(refused.value)
    lock.release()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b"{}"])
def test_a_damaged_address_does_not_hide_that_the_folder_is_taken(tmp_path, said):
    lock = FolderLock(tmp_path)
    (tmp_path / "server.json").write_bytes(said)
    with pytest.raises(ServerStartFailed, match="already uses"):
        FolderLock(tmp_path)
    lock.release()

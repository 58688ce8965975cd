from __future__ import annotations

import subprocess

import pytest
from understudy.core.errors import DiskFull
from understudy.server.files import Ballast, require_space


def test_space_is_required_before_it_runs_out(tmp_path):
    require_space(tmp_path, 1)
    with pytest.raises(DiskFull, match="needs"):
        require_space(tmp_path, 2**60)


def test_ballast_takes_room_and_gives_it_back(tmp_path):
    ballast = Ballast(tmp_path / "ballast")
    ballast.take_on()
    used = subprocess.run(["du", "-sk", tmp_path / "ballast"], capture_output=True, check=True, text=True).stdout
    assert int(used.split()[0]) * 1024 >= Ballast.SIZE
    ballast.drop()
    ballast.drop()
    assert not (tmp_path / "ballast").exists()

"""What a take's record may do to the disk, whoever wrote it; and whose take is fetched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from understudy.blender_addon.record import UNFINISHED, TakeRecord, find_unfinished
from understudy.core.errors import InvalidRequest
from understudy.core.protocol import GenerationSettings, JobRequest


@pytest.fixture
def record(tmp_path) -> TakeRecord:
    folder = tmp_path / "takes" / "Walk-1"
    folder.mkdir(parents=True)
    return TakeRecord("abc123", JobRequest(GenerationSettings(), "Walk", "wall"), folder, 5, "digest", ("Ann", "Ben"))


def keep_as(record: TakeRecord, process: object) -> None:
    record.keep()
    path = record.folder / UNFINISHED
    path.write_text(json.dumps({**json.loads(path.read_text()), "process": process}))


def test_a_take_is_removed_with_its_folder(record):
    record.keep()
    for name in ("0001.png", "12345.png", "clip.npz", "request.json"):
        (record.folder / name).touch()
    record.remove()
    assert not record.folder.exists()


def test_what_others_put_beside_a_take_stays(record):
    record.keep()
    others = ["portrait.png", "01.png", "notes.txt"]
    for name in (*others, "0001.png"):
        (record.folder / name).touch()
    record.remove()
    assert sorted(path.name for path in record.folder.iterdir()) == sorted(others)


@pytest.mark.parametrize("where", ["..", ".", "Walk-1/deeper", "../elsewhere/Walk-1"])
def test_a_scene_cannot_name_a_folder_elsewhere(record, tmp_path, where):
    takes = tmp_path / "takes"
    record.require_in(takes)
    named = TakeRecord(**{**vars(record), "folder": takes / where})
    with pytest.raises(InvalidRequest, match="not in the folder for takes"):
        named.require_in(takes)


def test_a_take_may_lie_in_any_of_the_folders_for_takes(record, tmp_path):
    record.require_in(tmp_path / "of the file", tmp_path / "takes")


def test_a_job_that_is_no_name_is_refused(record):
    with pytest.raises(InvalidRequest, match="cannot be read"):
        TakeRecord.from_text(TakeRecord(**{**vars(record), "job": "../../elsewhere"}).to_text())


def test_what_is_kept_is_found(record, tmp_path):
    record.keep()
    assert find_unfinished(tmp_path / "takes") == record
    record.forget()
    assert find_unfinished(tmp_path / "takes") is None
    record.forget()


def test_a_take_that_was_moved_is_found_where_it_is(record, tmp_path):
    record.keep()
    moved = record.folder.rename(tmp_path / "takes" / "Run")
    assert find_unfinished(tmp_path / "takes").folder == moved


def test_the_take_of_another_blender_that_runs_is_left_to_it(record, tmp_path):
    keep_as(record, os.getppid())
    assert find_unfinished(tmp_path / "takes") is None


def test_the_take_of_a_blender_that_has_ended_is_found(record, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    keep_as(record, ended.pid)
    assert find_unfinished(tmp_path / "takes") == record


@pytest.mark.parametrize("process", [None, "4", -1, 0, 2**80])
def test_a_process_that_is_none_follows_nothing(record, tmp_path, process):
    keep_as(record, process)
    assert find_unfinished(tmp_path / "takes") == record


def test_a_file_that_vanishes_while_takes_are_looked_for_is_passed_over(record, tmp_path, monkeypatch):
    record.keep()
    gone = tmp_path / "takes" / "Gone" / UNFINISHED
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: [*glob(path, pattern), gone])
    assert find_unfinished(tmp_path / "takes") == record

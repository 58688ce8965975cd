from pathlib import Path

import bpy
import pytest


@pytest.fixture
def picture(scene, tmp_path) -> Path:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    picture = tmp_path / "one" / "ann.png"
    picture.write_bytes(b"a picture")
    return picture


def save(path: Path, **options) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(path), **options)


def person() -> bpy.types.PropertyGroup:
    people = bpy.context.scene.understudy.people
    return people[0] if people else people.add()


def shown() -> Path:
    return Path(bpy.path.abspath(person().reference)).resolve()


def test_a_reference_is_the_same_picture_after_save_as_into_another_folder(picture, tmp_path):
    save(tmp_path / "one" / "shot.blend")
    person().reference = "//ann.png"
    save(tmp_path / "two" / "shot.blend")
    assert person().reference.startswith("//") and shown() == picture
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "two" / "shot.blend"))
    assert shown() == picture


def test_a_file_saved_first_tells_its_references_from_itself_as_blender_tells_its_own(picture, tmp_path):
    person().reference = str(picture)
    save(tmp_path / "one" / "shot.blend")
    assert person().reference == "//ann.png"


def test_an_absolute_reference_of_a_saved_file_stays_absolute(picture, tmp_path):
    save(tmp_path / "one" / "shot.blend")
    person().reference = str(picture)
    save(tmp_path / "two" / "shot.blend")
    assert person().reference == str(picture)


def test_a_saved_copy_leaves_the_open_file_as_it_is(picture, tmp_path):
    save(tmp_path / "one" / "shot.blend")
    person().reference = "//ann.png"
    save(tmp_path / "two" / "copy.blend", copy=True)
    assert person().reference == "//ann.png"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "two" / "copy.blend"))
    assert shown() == picture


def test_where_saving_fails_the_open_file_stays_as_it_is(picture, tmp_path):
    save(tmp_path / "one" / "shot.blend")
    person().reference = "//ann.png"
    with pytest.raises(RuntimeError):
        save(tmp_path / "nowhere" / "shot.blend")
    assert person().reference == "//ann.png"


def test_saving_the_startup_file_leaves_references_alone(picture):
    person().reference = str(picture)
    for handler in (*bpy.app.handlers.save_pre, *bpy.app.handlers.save_post):  # as it tells them: its path is empty
        if handler.__module__.endswith("reference_paths"):
            handler("", None)
    assert person().reference == str(picture)

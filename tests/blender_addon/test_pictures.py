import os

import bpy
from understudy.blender_addon import pictures


def test_a_picture_that_was_written_again_is_read_anew_and_one_that_is_gone_has_no_icon(scene, tmp_path):
    path = tmp_path / "reference.png"
    assert pictures.icon_of(path) is None
    bpy.data.images.new("reference", 8, 8).save(filepath=str(path))
    for written, read in ((1, 1), (1, 1), (2, 2)):
        os.utime(path, (written, written))
        assert pictures.icon_of(path) is not None  # 0, as all icons without a window
        assert len(pictures._collection) == read
    path.unlink()
    assert pictures.icon_of(path) is None

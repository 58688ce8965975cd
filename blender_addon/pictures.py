"""Pictures for panels: files shown through Blender's preview icons."""

from __future__ import annotations

from pathlib import Path

import bpy.utils.previews

_collection: bpy.utils.previews.ImagePreviewCollection | None = None
_KEPT = 24  # a running take shows a new picture every step


def icon_of(path: Path, at_once: bool = False) -> int | None:
    """The icon number of a picture file, for `layout.template_icon`; None where there is no such file.

    Blender reads the file on a thread the first time, or when it was written again, and shows nothing until then; `at_once`
    reads it here and now, for small pictures that take each other's place.
    """
    try:
        key = f"{path} {path.stat().st_mtime_ns}"
    except OSError:
        return None
    if key not in _collection:
        if len(_collection) >= _KEPT:
            _collection.clear()
        picture = _collection.load(key, str(path), "IMAGE")
        if at_once:
            _ = picture.image_size[0]  # asking for the size decodes it
    return _collection[key].icon_id


def register() -> None:
    global _collection
    _collection = bpy.utils.previews.new()


def unregister() -> None:
    global _collection
    bpy.utils.previews.remove(_collection)
    _collection = None

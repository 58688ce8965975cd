"""Keeps the references' paths right when the .blend file is saved in another folder, which Blender does for its own only.

As Save As with Remap Relative does it: relative paths are told from the new folder, and those of a file that was nowhere yet
become relative.
"""

from __future__ import annotations

from pathlib import Path

import bpy

from .properties import UnderstudyPerson

_before: list[tuple[UnderstudyPerson, str]] = []  # what is changed while a file is written


@bpy.app.handlers.persistent
def _tell_from_there(path: str, _) -> None:
    """`path` is that of the file that is about to be written; the startup file has none, and stays nowhere."""
    folder = Path(path).parent
    if not path or (bpy.data.filepath and Path(bpy.data.filepath).parent == folder):
        return
    for scene in bpy.data.scenes:
        for person in scene.understudy.people if not scene.library else ():
            if person.reference and person.reference.startswith("//") == bool(bpy.data.filepath):
                _before.append((person, person.reference))
                person.reference = _path_from(folder, bpy.path.abspath(person.reference))


@bpy.app.handlers.persistent
def _settle(path: str, _) -> None:
    """After a copy, and where nothing could be written, the open file is where it was."""
    if bpy.data.filepath != path:
        for person, reference in _before:
            person.reference = reference
    _before.clear()


def _path_from(folder: Path, picture: str) -> str:
    try:
        return bpy.path.relpath(picture, start=str(folder))
    except ValueError:  # another drive of Windows
        return picture


_HANDLERS = (("save_pre", _tell_from_there), ("save_post", _settle), ("save_post_fail", _settle))


def register() -> None:
    for event, handler in _HANDLERS:
        getattr(bpy.app.handlers, event).append(handler)


def unregister() -> None:
    for event, handler in _HANDLERS:
        getattr(bpy.app.handlers, event).remove(handler)

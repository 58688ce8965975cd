"""The demo's part inside Blender: install the extension, open the demo scene, make a take with the add-on's own operators.

    python tooling/demo_in_blender.py -- ARGUMENTS                           under the bpy module
    blender -b --python-exit-code 1 --python tooling/demo_in_blender.py -- ARGUMENTS

It speaks to `tooling.demo` in lines, `@stage TEXT`, `@progress FRACTION TEXT`, `@generated`; the rest is Blender's own talk.
BLENDER_USER_RESOURCES names the profile, which is empty. Standard library and bpy only: this is Blender's Python.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import bpy

REPOSITORY = "user_default"
PACKAGE = f"bl_ext.{REPOSITORY}.understudy"
PROGRESS_SECONDS = 0.5


def tell(line: str) -> None:
    print(f"@{line}", flush=True)


def addon(module: str) -> ModuleType:
    """A module of the add-on as Blender's extension manager installed it."""
    return importlib.import_module(f"{PACKAGE}.blender_addon.{module}")


def install(archive: Path) -> None:
    """Through Blender's own extension manager, as a user does with Install from Disk."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0  # no take.blend1 beside take.blend
    bpy.ops.extensions.package_install_files(filepath=str(archive), repo=REPOSITORY, enable_on_install=True)
    if PACKAGE not in bpy.context.preferences.addons:
        raise RuntimeError(f"Blender did not enable {archive.name}; its messages are above.")


@contextlib.contextmanager
def progress_told() -> Iterator[None]:
    """Tell how far the take is while the operator holds the main thread."""
    session = addon("session").session
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(PROGRESS_SECONDS):
            tell(f"progress {session.progress.fraction:.4f} {session.progress.text}")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def make_take(options: argparse.Namespace) -> None:
    """Scene, reference and take; leaves `take.blend`, `reference.png`, `clip.npz` and `frames` in `options.out`."""
    out: Path = options.out
    scene = bpy.context.scene
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.environment_mode = "EXISTING"
    preferences.python_path = str(options.python)
    preferences.takes_folder = str(out / "takes")
    preferences.idle_minutes = 1  # a demo that is killed leaves no server for long

    tell("stage Making the demo scene")
    armature = addon("demo").make_scene(scene, options.frames)
    person = scene.understudy.people.add()
    person.armature = armature
    settings = scene.understudy
    settings.width, settings.height = options.size
    settings.seed, settings.name = options.seed, "Demo take"
    if options.steps:
        settings.steps = options.steps

    tell("stage Starting the server")
    bpy.ops.understudy.start_server(wait=True)
    try:
        tell("stage Rendering the reference")
        bpy.ops.understudy.render_reference()
        rendered = Path(bpy.path.abspath(person.reference))
        rendered.replace(out / "reference.png")
        person.reference = str(out / "reference.png")
        # Saved before the take, so that the strip's path can be relative to the file.
        bpy.ops.wm.save_as_mainfile(filepath=str(out / "take.blend"))
        with progress_told():
            bpy.ops.understudy.generate(wait=True)
        tell("generated")
    finally:
        bpy.ops.understudy.stop_server(wait=True)

    gather(scene, addon("session").session.folder, out)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "take.blend"))


def gather(scene: bpy.types.Scene, take: Path, out: Path) -> None:
    """Move the take's files from its own folder to where the demo promises them, and point the strip there."""
    strip = next(iter(addon("sequencer").strips_of(scene.sequence_editor)))
    (take / "clip.npz").replace(out / "clip.npz")
    (take / "request.json").replace(out / "request.json")
    take.replace(out / "frames")
    shutil.rmtree(out / "takes")
    strip.directory = "//frames"
    scene.understudy.people[0].reference = "//reference.png"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="the server's Python")
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args(arguments)
    tell("stage Installing the extension")
    install(options.archive)
    make_take(options)


def main_of_module(arguments: list[str]) -> NoReturn:
    """`main` under the bpy module, where some add-ons keep the interpreter from ending: everything is saved by then."""
    status = 1
    try:
        main(arguments)
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    given = sys.argv[sys.argv.index("--") + 1 :]
    if bpy.app.binary_path:
        main(given)
    else:
        main_of_module(given)

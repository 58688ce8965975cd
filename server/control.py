"""`understudy control`: a clip as control pictures, for other tools: PNG files, a film, or keypoints as JSON."""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from tqdm import tqdm

from ..core.control.guide import PICTURES, draw
from ..core.errors import InvalidRequest
from ..core.files import PART, write_atomically
from ..core.pose import coco_wholebody, openpose_json
from ..core.pose.clip import PoseClip
from .folders import frame_name
from .generate import parse_size, prepare_folder
from .pictures import encode_png

FILM = ".mp4"


@dataclass(frozen=True)
class Format:
    """Keypoints rather than pictures: what reads them, and what writes them.

    Into a folder, where `files` are their names there; else into one JSON file.
    """

    title: str
    write: Callable[[PoseClip, Path], object]
    files: re.Pattern[str] | None = None


FORMATS = {
    "openpose-json": Format(
        "OpenPose JSON 1.3, one file a frame: A1111", openpose_json.write, re.compile(r"frame_\d+_keypoints\.json")
    ),
    "comfyui-json": Format("the same in one file, name.json: ComfyUI's POSE_KEYPOINT", openpose_json.write_list),
    "coco-wholebody": Format("COCO-WholeBody in one file, name.json", coco_wholebody.write),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    titles = {name: picture.title for name, picture in PICTURES.items()}
    titles |= {name: form.title for name, form in FORMATS.items()}
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "styles:\n" + "\n".join(f"  {name:14} {title}" for name, title in titles.items())
    parser.add_argument("clip", type=Path, help="the poses: an .npz that Blender exported")
    parser.add_argument("--style", required=True, choices=titles, metavar="NAME", help="what to draw: see below")
    parser.add_argument("--size", metavar="WxH", help="pixels of the pictures, for example 512x768 (default: the clip's)")
    parser.add_argument("--out", type=Path, required=True, help="folder for 0001.png, 0002.png ..., or a file: name.mp4")
    parser.add_argument("--overwrite", action="store_true", help="replace the file, or remove the folder's frames")


def control(arguments: argparse.Namespace) -> None:
    """Draw or write the whole clip. Raises what is wrong with the input before anything is written."""
    clip, out = PoseClip.load(arguments.clip), arguments.out
    if arguments.style in FORMATS:
        _write_keypoints(clip, arguments.style, out, arguments)
        return
    width, height = parse_size(arguments.size) if arguments.size else (clip.width, clip.height)
    pictures = draw(clip, arguments.style, width, height)
    if out.suffix == FILM:
        imageio = _film_writer(out, (width, height), arguments.overwrite)
        with _told(out), tqdm(total=len(clip), desc=arguments.style, unit="frame") as bar:
            _write_film(imageio, pictures, out, clip.fps, bar)
        return
    prepare_folder(out, 0, arguments.overwrite)
    with _told(out), tqdm(total=len(clip), desc=arguments.style, unit="frame") as bar:
        for index, picture in enumerate(pictures):
            write_atomically(out / frame_name(index), encode_png(width, height, picture.tobytes()))
            bar.update()


def _write_keypoints(clip: PoseClip, style: str, out: Path, arguments: argparse.Namespace) -> None:
    form = FORMATS[style]
    if arguments.size:
        raise InvalidRequest(f"{style} holds keypoints, in pixels of the clip's own size.", "Leave out --size.")
    if form.files:
        prepare_folder(out, 0, arguments.overwrite, form.files)
    elif out.suffix != ".json":
        raise InvalidRequest(f"{style} is one file, and {out} does not end in .json.", "Give --out the name of a file.")
    else:
        _check_free(out, arguments.overwrite)
    with _told(out):
        form.write(clip, out)


def _check_free(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise InvalidRequest(f"{path} is there already.", "Choose another name, or replace it with --overwrite.")


def _film_writer(path: Path, size: tuple[int, int], overwrite: bool) -> ModuleType:
    """imageio, once nothing stands in the film's way."""
    if size[0] % 2 or size[1] % 2:
        raise InvalidRequest(f"A film's sides must be even, and {size[0]} x {size[1]} are not.", "Choose another --size.")
    _check_free(path, overwrite)
    if not (importlib.util.find_spec("imageio") and importlib.util.find_spec("imageio_ffmpeg")):
        raise InvalidRequest(
            "A film needs imageio and imageio-ffmpeg, which are not installed.",
            "Run `pip install imageio imageio-ffmpeg`, or give --out a folder for PNG files.",
        )
    return importlib.import_module("imageio.v2")


def _write_film(imageio: ModuleType, pictures: Iterator[np.ndarray], path: Path, fps: float, bar: tqdm) -> None:
    """H.264 of a high quality: the lines of a skeleton are thin."""
    part = path.with_name(f"{path.stem}{PART}{FILM}")  # the writer goes by the suffix
    try:
        with imageio.get_writer(part, fps=fps, codec="libx264", quality=9, macro_block_size=2) as film:
            for picture in pictures:
                film.append_data(picture)
                bar.update()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system refuses, in words."""
    try:
        yield
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror or error}.", "Choose another place.") from error

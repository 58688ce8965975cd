"""`understudy generate`: one job in this terminal, through a worker of its own and without a server."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from ..core.engines import catalog
from ..core.errors import Cancelled, InvalidReference, InvalidRequest, JobFailed, UnderstudyError
from ..core.files import write_atomically
from ..core.pose.clip import PoseClip
from ..core.protocol import SETTING_CHOICES, GenerationSettings
from . import admission, second_try
from .files import require_space
from .folders import default_data, default_weights, frame_name
from .messages import Frame, Generate, Note, Ready, Step
from .pictures import about_frame, encode_png
from .second_try import SteppedDown
from .worker import Progress, Worker

_JOB = "console"
# Settings with an option of the same name.
_SETTINGS = (
    "seed", "prompt", "steps", "scheduler", "guidance", "guidance_share", "context_frames", "context_overlap",
    "context_stride", "context_layout", "context_fusion", "precision", "attention",
    "offload", "compile", "decoder", "background",
)  # fmt: skip
_FRAME = re.compile(r"\d{4,}\.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, help="the poses: an .npz that Blender exported")
    parser.add_argument(
        "--reference",
        type=Path,
        action="append",
        required=True,
        help="picture of the character; once for each person",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the frames 0001.png, 0002.png ...")
    parser.add_argument("--overwrite", action="store_true", help="remove the frames that the folder holds already")
    parser.add_argument("--engine", default="understudy", help="one of `understudy engines` (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", metavar="WxH", help="pixels of the frames, for example 384x512")
    parser.add_argument("--prompt", help="for engines that read one")
    add_weights(parser)
    parser.add_argument(
        "--preset", choices=SETTING_CHOICES["preset"], default="exact", help="where the settings begin (default: as published)"
    )
    # What is not given is as the preset has it.
    parser.add_argument("--steps", type=int)
    parser.add_argument("--scheduler", help="one of the engine's")
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--guidance-share", type=float, help="part of the steps, from the first, that are guided: 0 to 1")
    parser.add_argument("--context-frames", type=int, help="length of the temporal window")
    parser.add_argument("--context-overlap", type=int, help="frames that two windows share")
    parser.add_argument("--context-stride", type=int, help="up to which distance windows take every second frame, every fourth")
    parser.add_argument("--context-layout", choices=SETTING_CHOICES["context_layout"], help="how windows lie over the clip")
    parser.add_argument("--context-fusion", choices=SETTING_CHOICES["context_fusion"], help="how they are weighted")
    parser.add_argument("--precision", choices=SETTING_CHOICES["precision"], help="of the networks' weights")
    parser.add_argument("--attention", choices=SETTING_CHOICES["attention"], help="kernel (default: what is fastest here)")
    parser.add_argument("--decoder", choices=SETTING_CHOICES["decoder"], help="tiny: rough frames, fast")
    parser.add_argument("--background", help="behind the people: reference, transparent, or a colour as #808080")
    parser.add_argument("--offload", action="store_true", default=None, help="keep weights off the device until needed")
    parser.add_argument("--compile", action="store_true", default=None, help="compile the networks: slow to begin, faster then")


def add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="holds a folder for each engine with weights (default: weights in the data)"
    )


def settings_from(arguments: argparse.Namespace) -> GenerationSettings:
    """The preset's settings with what the command line says. Raises `InvalidRequest`, `UnknownEngine`."""
    given = {name: value for name in _SETTINGS if (value := getattr(arguments, name)) is not None}
    if arguments.size is not None:
        given["width"], given["height"] = parse_size(arguments.size)
    return dataclasses.replace(catalog.find(arguments.engine).settings(arguments.preset), **given)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of `384x512`. Raises `InvalidRequest`."""
    size = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not size:
        raise InvalidRequest(f"The size {text!r} is not WIDTHxHEIGHT.", "Write it as 384x512.")
    return int(size[1]), int(size[2])


def generate(arguments: argparse.Namespace) -> None:
    """Draw the clip's frames into the folder. Raises what is wrong with the input, before anything is loaded."""
    settings = settings_from(arguments)
    clip = PoseClip.load(arguments.clip)
    weights = (arguments.weights or default_weights(default_data())).resolve()
    admission.check(settings, clip, [_read(path) for path in arguments.reference], weights)
    prepare_folder(arguments.out, admission.space_needed(settings, clip), arguments.overwrite)
    request = Generate(
        job=_JOB,
        clip=str(arguments.clip.resolve()),
        references=[str(path.resolve()) for path in arguments.reference],
        settings=settings.to_json(),
        weights=str(weights),
        checkpoint=None,
    )
    with tempfile.TemporaryFile() as log:
        worker = Worker(log)
        try:
            with Display(settings, clip, arguments.out) as display, _ctrl_c_cancels(worker):
                second_try.generate(worker, request, len(clip), display.on_progress)
        except Cancelled:
            raise Cancelled(
                "Generating was cancelled.", "Run the command again when you are ready, with --overwrite if frames were drawn."
            ) from None
        except UnderstudyError:
            # Between the bars it would only confuse: what the worker said is told where it explains something.
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            worker.stop()


@contextlib.contextmanager
def _ctrl_c_cancels(worker: Worker) -> Iterator[None]:
    """Ctrl+C ends the job by the worker's own cancel: a KeyboardInterrupt is lost where a destructor happens to run."""

    def cancel(*_) -> None:
        # On a thread: the one that is interrupted may hold the lock that cancelling takes.
        threading.Thread(target=worker.cancel, args=(_JOB,), name="cancelling", daemon=True).start()

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def prepare_folder(out: Path, space_needed: int, overwrite: bool, ours: re.Pattern[str] = _FRAME) -> None:
    """Make the folder `out` and see that frames can be written there; with `overwrite`, remove those of another run.

    Frames are the files whose whole names `ours` matches. Raises `InvalidRequest`, `DiskFull`.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
        old = [path for path in out.iterdir() if ours.fullmatch(path.name)]
        if old and not overwrite:
            # A shorter run would leave the rest of a longer one behind its own frames.
            raise InvalidRequest(
                f"{out} holds {len(old)} frames already.", "Choose another folder, or remove them with --overwrite."
            )
        require_space(out, space_needed)
        for path in old:
            path.unlink()
    except OSError as error:
        raise InvalidRequest(f"{out} cannot be written to: {error.strerror}.", "Choose another folder.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidReference(f"{path} cannot be read: {error.strerror}.") from error


class Display:
    """Writes the frames, and shows on a bar how far the job is: in steps, and in frames beside it."""

    def __init__(self, settings: GenerationSettings, clip: PoseClip, out: Path):
        self._settings = settings
        self._scene_frames = clip.frames.tolist()
        self._digest = clip.digest()
        self._out = out
        self._bar = tqdm(total=settings.steps, desc="starting", unit="step")

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def on_progress(self, progress: Progress | SteppedDown) -> None:
        match progress:
            case SteppedDown(settings, text):
                self._settings = settings
                self._bar.reset()
                self._say(text)
            case Ready(device, _):
                self._bar.set_description(f"denoising on {device}")
            case Step(step, steps):
                self._bar.total = steps
                self._bar.update(step - self._bar.n)
            case Note(text):
                self._say(text)
            case Frame():
                self._write(progress)

    def _say(self, text: str) -> None:
        self._bar.write(f"{text}.", file=sys.stderr)

    def _write(self, frame: Frame) -> None:
        about = about_frame(self._settings, self._digest, self._scene_frames[frame.index])
        path = self._out / frame_name(frame.index)
        try:
            write_atomically(path, encode_png(frame.width, frame.height, frame.pixels, about))
        except OSError as error:
            raise JobFailed(f"{path} cannot be written: {error.strerror}.", "Choose another folder.") from error
        self._bar.set_postfix_str(f"{frame.index + 1} of {len(self._scene_frames)} frames")

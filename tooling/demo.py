"""`build.py demo`: the main job from the zip to the strip, in a real Blender, and the pictures that show it.

    python -m tooling.demo --out out/demo

Runs in the environment's Python; `build.py` makes that first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from understudy.core.pose.clip import PoseClip

from . import package, results
from .environment import ROOT
from .progress import Bar, duration

WORK = ".work"  # in the output folder: Blender's profile, the zip, Blender's talk; the sign that a demo ran there
# The sign last: a removal that was cut short can be gone on with.
PRODUCTS = ("frames", "takes", "take.blend", "take.blend1", "take.mp4", "clip.npz", "request.json", "reference.png",
            "contact-sheet.png", WORK)  # fmt: skip
NOISE = ("Fra:", "@progress", "Understudy: ")  # in Blender's talk, of no use to who looks for an error


class DemoError(Exception):
    """The demo did not come to its end; the message says where and why."""


@dataclass(frozen=True)
class DemoOptions:
    """`blender` is an installed Blender's program, or None for the bpy module; `steps` None means the engine's own."""

    out: Path
    blender: Path | None
    frames: int
    size: tuple[int, int]
    steps: int | None
    seed: int


def parse_size(text: str) -> tuple[int, int]:
    """`384x512` as (384, 512)."""
    width, _, height = text.lower().partition("x")
    return int(width), int(height)


def clear(out: Path) -> None:
    """Remove what an earlier demo left, by name: the folder may hold other things.

    Raises `DemoError` where things of these names lie there that no demo left: they may be anybody's.
    """
    out.mkdir(parents=True, exist_ok=True)
    found = [out / name for name in PRODUCTS if (out / name).exists()]
    if found and not (out / WORK).is_dir():
        raise DemoError(f"{found[0]} is there already, and not from a demo. Choose another folder with --out.")
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def blender_command(options: DemoOptions, archive: Path) -> list[str]:
    driver = ROOT / "tooling" / "demo_in_blender.py"
    start = [sys.executable, driver]
    if options.blender:
        start = [options.blender, "--background", "--python-exit-code", "1", "--python", driver]
    command = [*start, "--", "--archive", archive, "--out", options.out, "--python", sys.executable]
    command += ["--frames", options.frames, "--size", *options.size, "--seed", options.seed]
    if options.steps:
        command += ["--steps", options.steps]
    return [str(part) for part in command]


def run_in_blender(options: DemoOptions, archive: Path) -> None:
    """Drive Blender in a profile of its own, showing its stages and the take's progress. Raises `DemoError`."""
    work = options.out / WORK
    profile = work / "profile"
    profile.mkdir()
    variables = {**os.environ, "BLENDER_USER_RESOURCES": str(profile)}
    talk = work / "blender.log"
    with talk.open("w", encoding="utf-8") as log, subprocess.Popen(
        blender_command(options, archive), cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            _show(process, log)
        except BaseException:
            process.terminate()
            raise
    status = process.returncode
    if status or not (options.out / "take.blend").is_file():
        lines = [line for line in talk.read_text(encoding="utf-8").splitlines() if not line.startswith(NOISE)]
        tail = "\n".join(lines[-20:])
        raise DemoError(f"Blender ended with status {status}:\n{tail}\nAll that it said: {talk}")


def _show(process: subprocess.Popen, log) -> None:
    """Blender's lines into the log; what the driver tells in them onto the console."""
    bar: Bar | None = None
    for line in process.stdout:
        log.write(line)
        log.flush()
        kind, _, text = line.rstrip("\n").partition(" ")
        if kind == "@stage":
            print(f"{text} ...", flush=True)
        elif kind == "@progress":
            bar = bar or Bar("Generating")
            fraction, _, label = text.partition(" ")
            bar.update(float(fraction), label, extrapolate=False)
        elif kind == "@generated":
            bar.finish()
            bar = None
    if bar:
        bar.finish(complete=False)


def show_results(out: Path) -> None:
    """Write the film and the contact sheet from the files that Blender left."""
    clip = PoseClip.load(out / "clip.npz")
    paths = sorted((out / "frames").glob("*.png"))
    if len(paths) != len(clip):
        raise DemoError(f"{out / 'frames'} holds {len(paths)} frames, the clip {len(clip)}.")
    frames = results.read_frames(paths)
    results.write_film(out / "take.mp4", frames, clip.fps)
    results.contact_sheet(clip, out / "reference.png", frames).save(out / "contact-sheet.png")


def run(options: DemoOptions) -> None:
    """Everything, in order. Raises `DemoError`, `package.PackageError`."""
    started = time.monotonic()
    clear(options.out)
    (options.out / WORK).mkdir()
    print("Building the extension ...", flush=True)
    archive = package.build(options.out / WORK)
    run_in_blender(options, archive)
    print("Drawing the contact sheet and the film ...", flush=True)
    show_results(options.out)
    print(f"Done in {duration(time.monotonic() - started)}:")
    for name in ("frames/0001.png", "take.blend", "take.mp4", "clip.npz", "reference.png", "contact-sheet.png"):
        print(f"  {options.out / name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--blender", type=Path)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--size", type=parse_size, default=(384, 512))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    try:
        run(DemoOptions(given.out, given.blender, given.frames, given.size, given.steps, given.seed))
    except (DemoError, package.PackageError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

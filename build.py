#!/usr/bin/env python3
"""Set up, try, test and package Understudy.

    python3 build.py demo       an animated character becomes footage, in a real Blender; results in out/demo
    python3 build.py test       the tests; further arguments go to pytest
    python3 build.py package    the extension zip, checked by Blender's own checker; in dist
    python3 build.py train      train the bundled model; further arguments go to understudy.core.training
    python3 build.py evaluate   measure the bundled model on people that it has not seen
    python3 build.py bench      how fast sampling, drawing and generating are on this machine
    python3 build.py env        only the environment that all of these make for themselves, in .venv

Python 3.9 or later runs this file; the environment that it makes needs Python 3.11, to be found on this machine, or uv, which
fetches it. `env --torch-index URL` takes PyTorch from another index, https://download.pytorch.org/whl/cpu for example, before
anything else is set up.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tooling import environment
from tooling.environment import ROOT, SetupError

MODULES = {  # what a command hands its further arguments to
    "test": "pytest",
    "train": "understudy.core.training",
    "evaluate": "understudy.core.training.evaluate",
    "bench": "tooling.bench",
}
# glibc hands large blocks back to the kernel and faults them in anew at every step, and threads each have an arena of their
# own: keeping the blocks, in one arena, makes rendering and training 2 to 3 times as fast (measured). Other C libraries
# ignore these.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


def run(command: list[str | Path], **variables: str) -> int:
    """Run a command in the repository's root with these environment variables added; its exit status."""
    environ = {**os.environ, **variables}
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environ, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="folder of the environment (default: .venv)")
    commands = parser.add_subparsers(dest="command", required=True)
    env = commands.add_parser("env", help="make the environment alone")
    env.add_argument("--torch-index", metavar="URL", help="package index whose build of PyTorch to install")
    demo = commands.add_parser("demo", help="the main job in a real Blender")
    demo.add_argument("--out", type=Path, default=ROOT / "out" / "demo")
    demo.add_argument("--blender", help="an installed Blender (4.2 or later) instead of the bpy module")
    demo.add_argument("--frames", type=int, default=48)
    demo.add_argument("--size", default="384x512", help="WIDTHxHEIGHT of the frames (default: 384x512)")
    demo.add_argument("--steps", type=int, help="denoising steps (default: the engine's)")
    demo.add_argument("--seed", type=int, default=1)
    package = commands.add_parser("package", help="make and check the extension zip")
    package.add_argument("--out", type=Path, default=ROOT / "dist")
    commands.add_parser("test", help="run the tests")
    commands.add_parser("train", help="train the bundled model")
    commands.add_parser("evaluate", help="measure the bundled model")
    commands.add_parser("bench", help="measure the speed")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in MODULES:
        parser.error(f"unrecognised arguments: {' '.join(rest)}")
    blender = None
    if options.command == "demo" and options.blender:
        blender = shutil.which(options.blender)
        if blender is None:
            parser.error(f"{options.blender} is not a program")

    try:
        python = environment.ensure(options.venv.absolute(), getattr(options, "torch_index", None))
    except SetupError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    if options.command in MODULES:
        variables = ALLOCATOR if options.command in ("train", "evaluate") else {}
        return run([python, "-m", MODULES[options.command], *rest], **variables)
    if options.command == "package":
        return run([python, "-m", "tooling.package", "--out", options.out.absolute()])
    if options.command == "demo":
        command = [python, "-m", "tooling.demo", "--out", options.out.absolute(), "--frames", str(options.frames)]
        command += ["--size", options.size, "--seed", str(options.seed)]
        command += ["--steps", str(options.steps)] if options.steps else []
        command += ["--blender", Path(blender).absolute()] if blender else []
        return run(command)
    print(f"The environment is ready: {python}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run the same command again to go on from here.")

"""How fast an engine draws here, which share of the device's matrix speed its denoising reaches, and what memory it takes.

    python -m tooling.bench_generating ENGINE WEIGHTS FRAMES    draws so many and prints the bytes that this took at most
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode
from understudy.core.engines import catalog, placement
from understudy.core.engines.interface import Engine, FrameReady, Progress, Reference, StepDone, Working
from understudy.core.engines.understudy import UnderstudyEngine
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import KEYPOINT_COUNT

from .timing import best_seconds

LENGTHS = (16, 64, 256)  # frames
SMALL = {"width": 96, "height": 96, "steps": 1, "context_frames": 8, "context_overlap": 2}
NETWORKS = ("understudy", "animate-anyone", "magic-animate")  # the other engines' are the second's
TESTS = Path(__file__).parent.parent / "tests"
PRODUCT = 2048  # rows and columns of the matrices whose product is the device's speed


def made_up_clip(frames: int) -> PoseClip:
    """Somebody who trembles in front of the camera."""
    settings = catalog.find("understudy").defaults
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.3, (1, 1, KEYPOINT_COUNT, 3)) + rng.normal(0, 0.02, (frames, 1, KEYPOINT_COUNT, 3)) + [0, 0, 3]
    visible = np.ones((frames, 1, KEYPOINT_COUNT), bool)
    lens = np.array([[200, 0, settings.width / 2], [0, 200, settings.height / 2], [0, 0, 1]], np.float32)
    return PoseClip(
        points.astype(np.float32), visible, np.tile(lens, (frames, 1, 1)), np.zeros(frames, bool),
        np.arange(frames, dtype=np.int32), 24.0, settings.width, settings.height, ("Ann",),
    )  # fmt: skip


def loaded(device: str) -> Engine:
    engine = catalog.create("understudy")
    engine.load(device)
    return engine


def draw(engine: Engine, clip: PoseClip, on_progress=lambda progress: None, **settings) -> None:
    """The clip with the engine's own settings, or other ones. Raises `RuntimeError` where a frame does not come."""
    own = dataclasses.replace(engine.spec.defaults, **settings)
    drawn = []

    def watch(progress: Progress) -> None:
        if isinstance(progress, FrameReady):
            drawn.append(progress.index)
        on_progress(progress)

    engine.generate(clip, [Reference(np.full((own.height, own.width, 3), 128, np.uint8))], own, watch)
    if drawn != list(range(len(clip))):
        raise RuntimeError(f"{len(drawn)} of {len(clip)} frames were drawn.")


def bench(clip: PoseClip) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bench_generating(clip, device)
    bench_denoising(clip, device)
    bench_memory()


def bench_generating(clip: PoseClip, device: str) -> None:
    """A whole job with the engine's own settings, the engine loaded before."""
    started = time.perf_counter()
    engine = loaded(device)
    loading = time.perf_counter() - started
    seconds = best_seconds(lambda: draw(engine, clip))
    own = engine.spec.defaults
    print(
        f"generating  {len(clip) / seconds:8.1f} frames/s at {own.width} x {own.height} in {own.steps} steps on {device}, "
        f"{seconds * clip.fps / len(clip):.1f} x the clip's duration; loading {loading:.1f} s"
    )


def bench_denoising(clip: PoseClip, device: str) -> None:
    """The denoising loop alone, previews included: its operations a second, against those of one large matrix product."""
    engine = loaded(device)
    times, counts = [], []
    counter = FlopCounterMode(display=False)

    def note(progress: Progress, kept: list, value) -> None:
        if isinstance(progress, Working | StepDone):
            kept.append(value())

    def timed(progress: Progress) -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        note(progress, times, time.perf_counter)

    draw(engine, clip)
    draw(engine, clip, timed)
    with counter:
        draw(engine, clip, lambda progress: note(progress, counts, counter.get_total_flops))
    speed = (counts[-1] - counts[0]) / (times[-1] - times[0])
    dtype = placement.DTYPES[placement.fastest(device)]
    peak = matrix_speed(device, dtype)
    print(
        f"denoising   {speed / 1e9:8.1f} GFLOP/s on {device} in {str(dtype).removeprefix('torch.')}, "
        f"{speed / peak:.0%} of the {peak / 1e9:.0f} GFLOP/s that a product of matrices reaches"
    )


def matrix_speed(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product."""
    one, other = (torch.randn(PRODUCT, PRODUCT, device=device, dtype=dtype) for _ in range(2))

    def multiply() -> None:
        one @ other
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    return 2 * PRODUCT**3 / best_seconds(multiply)


def bench_memory() -> None:
    """What a process takes that draws clips of several lengths, each in a process of its own, on the CPU: with the bundled
    model, and with tiny weights in the published layouts, those of the tests."""
    with tempfile.TemporaryDirectory() as weights:
        for name in NETWORKS:
            command = [sys.executable, "-m", __name__, name, weights]
            within = {**os.environ, "PYTHONPATH": str(TESTS)}
            peaks = [int(subprocess.check_output([*command, str(frames)], env=within)) for frames in LENGTHS]
            shown = ", ".join(f"{peak / 2**20:.0f}" for peak in peaks)
            lengths = ", ".join(map(str, LENGTHS))
            print(f"memory      {shown} MB for {lengths} frames of {name}: {max(peaks) / min(peaks) - 1:+.0%} at most")


def loaded_small(name: str, weights: Path) -> Engine:
    """The bundled engine with a small window, or another with tiny weights, made in the folder `weights` the first time."""
    if name == "understudy":
        engine = UnderstudyEngine(window=(SMALL["width"], SMALL["height"]))
        engine.load("cpu")
        return engine
    from published_weights import MAKERS

    folder = catalog.find(name).folder(weights)
    if not folder.exists():
        MAKERS[name](folder)
    engine = catalog.create(name)
    engine.load("cpu", folder)
    return engine


def peak_memory() -> int:
    """Bytes that this process has taken at most, as the system counts."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":  # where `ru_maxrss` begins with what the parent had when it started this process
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of macOS, in bytes


if __name__ == "__main__":
    engine_name, weights_folder, frame_count = sys.argv[1:]
    draw(loaded_small(engine_name, Path(weights_folder)), made_up_clip(int(frame_count)), **SMALL)
    print(peak_memory())

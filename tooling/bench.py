"""`build.py bench`: how fast sampling, drawing and generating are here, on the demo scene.

    python -m tooling.bench

Ratios rather than times where something can be held against them: those stay comparable from machine to machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from understudy.blender_addon import demo
from understudy.core.control.guide import draw_guide
from understudy.core.control.openpose import STYLES, draw_on
from understudy.core.engines import catalog
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import KEYPOINT_COUNT

from . import bench_generating, bench_sampling, controlnet_aux
from .timing import Race, best_seconds

SKELETON_ROUNDS = 7  # of less than a second each


def bench_drawing(clip: PoseClip) -> None:
    """Plain skeletons."""
    size = catalog.find("understudy").defaults
    points, drawable = clip.pixels(size.width, size.height), clip.drawable()

    def draw() -> None:
        for frame in range(len(clip)):
            draw_guide(points[frame], drawable[frame], size.width, size.height)

    print(f"drawing     {len(clip) / best_seconds(draw):8.1f} frames/s at {size.width} x {size.height}")


def bench_skeletons(clip: PoseClip) -> None:
    """Body, hands and face at 512 x 768, against controlnet_aux's own drawing of the same points, all of them shown."""
    width, height = 512, 768
    fractions = [person[0] / (clip.width, clip.height) for person in clip.pixels().astype(float)]
    fractions = [points.clip(0.02, 0.98) for points in fractions]
    pixels, everything = [points * (width, height) for points in fractions], np.ones(KEYPOINT_COUNT, bool)
    canvas = np.zeros((height, width, 3), np.uint8)

    def ours() -> None:
        for points in pixels:
            canvas.fill(0)
            draw_on(canvas, points, everything, STYLES["openpose"])

    def peer(draw: controlnet_aux.Draw) -> Callable[[], None]:
        def work() -> None:
            for points in fractions:
                draw(points, width, height)

        return work

    race = Race({"ours": ours, **{name: peer(draw) for name, draw in controlnet_aux.load().items()}}, SKELETON_ROUNDS)
    print(
        f"skeletons   {len(clip) / race.seconds('ours'):8.1f} frames/s at {width} x {height}; controlnet_aux's OpenPose "
        f"drawing takes {race.told('openpose', 'ours')}, its DWPose drawing {race.told('dwpose', 'ours')} as long"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=demo.FRAMES)
    clip = bench_sampling.bench(parser.parse_args().frames)
    bench_drawing(clip)
    bench_skeletons(clip)
    bench_generating.bench(clip)


if __name__ == "__main__":
    main()

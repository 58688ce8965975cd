"""The losses of a training run as one picture, drawn again whenever there is more of them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

_WIDTH, _HEIGHT, _MARGIN = 360, 240, 36


def draw_curves(folder: Path) -> None:
    """`folder/curves.png` from the stages' `*.jsonl`: one panel each, minutes across, the loss's logarithm up."""
    panels = [_panel(path) for path in sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_ctime)]
    if panels:
        cv2.imwrite(str(folder / "curves.png"), np.concatenate(panels, 1))


def _panel(path: Path) -> np.ndarray:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    minutes = np.array([row["minutes"] for row in rows])
    losses = np.array([row["loss"] for row in rows])
    level = np.log(losses.clip(1e-6))
    x = _MARGIN + (minutes - minutes[0]) / max(np.ptp(minutes), 1e-6) * (_WIDTH - 2 * _MARGIN)
    y = _MARGIN + (level.max() - level) / max(np.ptp(level), 1e-6) * (_HEIGHT - 2 * _MARGIN)
    panel = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    cv2.polylines(panel, [np.stack((x, y), 1).round().astype(np.int32)], False, (180, 80, 20), 1, cv2.LINE_AA)
    for text, place in (
        (f"{path.stem}: {minutes[-1]:.0f} min, step {rows[-1]['step']}", (_MARGIN, 20)),
        (f"{losses[0]:.4f}", (2, int(y[0]) + 4)),
        (f"{losses[-1]:.4f}", (_WIDTH - _MARGIN - 22, int(y[-1]) + 16)),
    ):
        cv2.putText(panel, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (60, 60, 60), 1, cv2.LINE_AA)
    return panel

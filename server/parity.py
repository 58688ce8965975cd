"""The command `understudy parity`: a run of an engine's authors' code, done again by the engine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", type=Path, help="folder with weights, case.json and expected.safetensors")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")


def parity(arguments: argparse.Namespace) -> None:
    """Print the largest differences as JSON. Raises `InvalidWeights`, `InvalidRequest`."""
    from ..core.engines.parity import measure

    print(json.dumps(measure(arguments.case, arguments.device), indent=1))

"""The console command `understudy`: serve, engines, generate, control, parity."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.engines.catalog import CATALOG
from ..core.errors import UnderstudyError
from ..core.version import VERSION
from .folders import default_data, default_weights


def main() -> None:
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except UnderstudyError as error:
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


class _Command(argparse.ArgumentParser):
    """Adds its arguments when it is the one that is run: to name theirs, some commands import what others need not wait for."""

    def __init__(self, add_arguments: Callable[[argparse.ArgumentParser], None], **options: Any):
        super().__init__(**options)
        self._add_arguments = add_arguments

    def parse_known_args(self, args=None, namespace=None):
        self._add_arguments(self)
        return super().parse_known_args(args, namespace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="understudy", description="Footage of your character from pose clips.")
    parser.add_argument("--version", action="version", version=f"understudy {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Command)
    commands.add_parser("serve", help="run the inference server", add_arguments=_add_serve)
    commands.add_parser("engines", help="list the engines there are", add_arguments=_add_engines)
    commands.add_parser(
        "generate", help="draw a clip into a folder of frames, without a server", add_arguments=_add_generate
    )
    commands.add_parser("control", help="draw a clip as control pictures, for other tools", add_arguments=_add_control)
    commands.add_parser(
        "parity", help="do a run of an engine's authors' code again, and compare", add_arguments=_add_parity
    )
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    from .generate import add_weights

    parser.add_argument("--data", type=Path, help="folder for jobs and frames (default: this user's data folder)")
    add_weights(parser)
    parser.add_argument("--port", type=int, default=0, help="0, the default, means any free one")
    parser.add_argument("--idle-minutes", type=float, default=30, help="end after this time without jobs or requests; 0: never")
    parser.add_argument("--keep-days", type=float, default=14, help="forget jobs that ended longer ago at the start; 0: never")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; beyond this machine only with --remote-name")
    parser.add_argument(
        "--remote-name", action="append", default=[], help="let other machines in, that call this one NAME; can be repeated"
    )
    parser.set_defaults(run=_serve)


def _add_engines(parser: argparse.ArgumentParser) -> None:
    from .generate import add_weights

    add_weights(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_engines)


def _add_generate(parser: argparse.ArgumentParser) -> None:
    from . import generate

    generate.add_arguments(parser)
    parser.set_defaults(run=generate.generate)


def _add_control(parser: argparse.ArgumentParser) -> None:
    from . import control

    control.add_arguments(parser)
    parser.set_defaults(run=control.control)


def _add_parity(parser: argparse.ArgumentParser) -> None:
    from . import parity

    parity.add_arguments(parser)
    parser.set_defaults(run=parity.parity)


def _serve(arguments: argparse.Namespace) -> None:
    from .serve import ServeOptions, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    data = (arguments.data or default_data()).resolve()
    serve(
        ServeOptions(
            data=data,
            weights=(arguments.weights or default_weights(data)).resolve(),
            host=arguments.host,
            port=arguments.port,
            idle_minutes=arguments.idle_minutes,
            keep_days=arguments.keep_days,
            remote_names=arguments.remote_name,
        )
    )


def _engines(arguments: argparse.Namespace) -> None:
    weights = (arguments.weights or default_weights(default_data())).resolve()
    lacking = {name: spec.lacking(weights) for name, spec in CATALOG.items()}
    if arguments.json:
        print(json.dumps([spec.to_json() | {"lacking": lacking[spec.name]} for spec in CATALOG.values()], indent=1))
        return
    rows = [("engine", "title", "default size", "memory", "prompt", "people", "weights", "licence")]
    for spec in CATALOG.values():
        published = spec.defaults
        size = f"{published.width}x{published.height}"
        needed = spec.memory_bytes(published, published.context_frames)
        reads = "yes" if spec.reads_prompt else "no"
        there = f"{len(lacking[spec.name])} of {len(spec.files)} missing" if lacking[spec.name] else "there"
        people = str(spec.max_people)
        rows.append((spec.name, spec.title, size, f"{needed / 1e9:.1f} GB", reads, people, there, spec.licence))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for name, sentences in lacking.items():
        if sentences:
            print(f"\n{name} cannot be used yet:", *sentences, sep="\n  ")


if __name__ == "__main__":
    main()

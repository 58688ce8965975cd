"""The version, read from the extension manifest: the only place that states it."""

import tomllib
from pathlib import Path

with (Path(__file__).resolve().parent.parent / "blender_manifest.toml").open("rb") as _manifest:
    VERSION: str = tomllib.load(_manifest)["version"]

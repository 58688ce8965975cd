"""What the README promises of files: they are there, and the bundled model is as small as a clone should be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:href|src)="([^"]+)"|`([\w./-]+/[\w-]+\.(?:md|toml|py))`""")
MAX_MODEL_BYTES = 40e6


def local_targets() -> list[str]:
    """What the README links to, shows or names in the repository."""
    found = {next(filter(None, groups)) for groups in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    return sorted(target.partition("#")[0] for target in found if "://" not in target and not target.startswith("#"))


@pytest.mark.parametrize("target", local_targets())
def test_what_the_readme_points_to_is_there(target):
    assert (ROOT / target).is_file()


def test_links_are_found_at_all():
    assert {"LICENSE", "CHANGELOG.md", "docs/take.webp"} <= set(local_targets())


def test_the_bundled_model_is_small():
    assert 0 < (ROOT / "core" / "weights" / "understudy.safetensors").stat().st_size <= MAX_MODEL_BYTES

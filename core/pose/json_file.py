"""JSON from a file that somebody chose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InvalidClip


def load(path: Path) -> Any:
    """What the file says. Raises `InvalidClip`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidClip(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidClip(f"{path} is not readable JSON ({type(error).__name__}).") from error

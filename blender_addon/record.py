"""What is remembered of a take that the server draws: enough to fetch and import it, also in a later Blender. No bpy.

The scene remembers it, and so does a file in the take's folder: a Blender that is killed has not saved its scene.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InvalidRequest
from ..core.protocol import JobRequest, parse_json
from .storage import save

UNFINISHED = "unfinished.json"


@dataclass(frozen=True)
class TakeRecord:
    """One job's place in its scene. `folder` is where its frames go, `first_frame` the scene frame of the first."""

    job: str
    request: JobRequest
    folder: Path
    first_frame: int
    clip_digest: str

    def to_text(self) -> str:
        return json.dumps({**vars(self), "request": self.request.to_json(), "folder": str(self.folder)})

    @classmethod
    def from_text(cls, text: str) -> TakeRecord:
        """Raises `InvalidRequest` where another version of Understudy wrote what this one cannot read."""
        data = parse_json(text)
        try:
            return cls(**{**data, "request": JobRequest.from_json(data["request"]), "folder": Path(data["folder"])})
        except (KeyError, TypeError) as error:
            raise InvalidRequest("What is kept of the unfinished take cannot be read.", "Generate again.") from error

    def keep(self) -> None:
        """Write the record into the take's folder. Raises `DiskFull`, `JobFailed`."""
        save(self.folder / UNFINISHED, self.to_text().encode())

    def forget(self) -> None:
        """Remove what `keep` wrote: there is nothing left to fetch."""
        (self.folder / UNFINISHED).unlink(missing_ok=True)


def find_unfinished(takes: Path) -> TakeRecord | None:
    """The latest take in the folder `takes` that nobody has fetched; what cannot be read is passed over."""
    written = sorted(takes.glob(f"*/{UNFINISHED}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in written:
        with contextlib.suppress(InvalidRequest, OSError):
            return TakeRecord.from_text(path.read_text(encoding="utf-8"))
    return None

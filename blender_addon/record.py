"""What is remembered of a take that the server draws: enough to fetch and import it, also in a later Blender. No bpy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InvalidRequest
from ..core.protocol import JobRequest, parse_json


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
            raise InvalidRequest("What this scene says of its unfinished take cannot be read.", "Generate again.") from error

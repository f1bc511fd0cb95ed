"""The files that a run writes: below one folder, nowhere else."""

import hashlib
import os
from pathlib import Path, PurePosixPath


class Files:
    """Writes output files and remembers what was written."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.written = []

    def write(self, path, data, media_type):
        """Writes `data` to `path`, relative to the output folder."""
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts or not relative.name:
            raise ValueError(f"output path leaves the output folder: {path}")
        target = self.folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        # A new file, never one that is there: a link in the folder must not lead elsewhere.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
            file.write(data)
        self.written.append(
            {
                "path": str(relative),
                "media_type": media_type,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )

    def total_bytes(self):
        return sum(file["bytes"] for file in self.written)

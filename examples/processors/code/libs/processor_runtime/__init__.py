"""What every processor shares: one JSON request in, one JSON envelope out.

A processor is a function from inputs to files. Around it this module reads the request from
standard input, hands out secrets by name, keeps the files inside one folder, measures, and
prints an envelope that carries a receipt. Standard library only, so that an image is its base
plus a few files.

    {"ref": "text/summarize@1", "mode": "mock", "inputs": {...}}

`mode: mock` is offline and deterministic: the same inputs give the same files, byte for byte.
`mode: real` calls a provider and needs the processor's secrets. Missing `inputs` mean the
processor's own sample, which is what a smoke test asks for.
"""

from .envelope import ProcessorError, main
from .files import Files

__all__ = ["Files", "ProcessorError", "main"]

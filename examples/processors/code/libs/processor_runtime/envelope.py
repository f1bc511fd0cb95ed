"""Request in, envelope out."""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from .files import Files

LARGEST_REQUEST = 4 * 1024 * 1024
MODES = ("mock", "real")


class ProcessorError(Exception):
    """A failure with a stable code, told to the caller in the envelope."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def main(ref, handler, *, sample, secrets=()):
    """Serves one request; returns the exit code: 0 for success, 1 for an error envelope."""
    with contextlib.redirect_stdout(sys.stderr):
        # Standard output carries the envelope and nothing else, whatever a library prints.
        envelope = serve(ref, handler, sample, secrets, sys.stdin.buffer, os.environ)
    sys.stdout.write(json.dumps(envelope, sort_keys=True, ensure_ascii=False) + "\n")
    return 0 if envelope["status"] == "success" else 1


def serve(ref, handler, sample, secrets, stream, environ):
    """One run as an envelope; errors are part of it."""
    if folder := environ.get("PROCESSOR_OUTPUT_DIR"):
        return serve_into(folder, ref, handler, sample, secrets, stream, environ)
    # Nobody is told where the files are, so they go with the run.
    with tempfile.TemporaryDirectory(prefix="outputs-") as folder:
        return serve_into(folder, ref, handler, sample, secrets, stream, environ)


def serve_into(folder, ref, handler, sample, secrets, stream, environ):
    image = environ.get("IMAGE_REF") or None
    envelope = {"ref": ref, "mode": None, "image_digest": digest_of(image), "outputs": []}
    started = time.monotonic()
    inputs = None
    files = Files(folder)
    try:
        request = read_request(ref, stream)
        envelope["mode"] = request["mode"]
        inputs = request.get("inputs", sample)
        granted = {}
        if request["mode"] == "real":
            granted = read_secrets(secrets, environ)
        envelope["result"] = handler(inputs, request["mode"], files, granted)
        envelope["status"] = "success"
    except ProcessorError as error:
        envelope["status"] = "error"
        envelope["error"] = {"code": error.code, "message": str(error)}
    except Exception as error:  # the caller gets an envelope whatever happens
        envelope["status"] = "error"
        message = f"{type(error).__name__}: {error}"
        envelope["error"] = {"code": "ERR_INTERNAL", "message": message}
    envelope["outputs"] = files.written
    envelope["usage"] = {
        "wall_ms": round((time.monotonic() - started) * 1000, 3),
        "output_bytes": files.total_bytes(),
    }
    if envelope["mode"] == "mock":
        # No provider was asked, so nobody sends a bill.
        envelope["usage"]["cost_units"] = 0
    envelope["receipt"] = receipt(envelope, image, inputs)
    return envelope


def read_request(ref, stream):
    raw = stream.read(LARGEST_REQUEST + 1)
    if len(raw) > LARGEST_REQUEST:
        raise ProcessorError("ERR_INPUT", f"the request is larger than {LARGEST_REQUEST} bytes")
    try:
        request = json.loads(raw or b"{}")
    except ValueError as error:
        raise ProcessorError("ERR_INPUT", f"the request is no JSON: {error}") from error
    if not isinstance(request, dict):
        raise ProcessorError("ERR_INPUT", "the request is no JSON object")
    if request.get("ref", ref) != ref:
        raise ProcessorError("ERR_WRONG_REF", f"this image is {ref}, asked for {request['ref']}")
    request.setdefault("mode", "mock")
    if request["mode"] not in MODES:
        raise ProcessorError("ERR_INPUT", f"mode is one of {', '.join(MODES)}")
    if not isinstance(request.get("inputs", {}), dict):
        raise ProcessorError("ERR_INPUT", "inputs is no JSON object")
    return request


def read_secrets(names, environ):
    """The secrets by name. An empty value is a missing one: that is what an unset CI secret is."""
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise ProcessorError("ERR_MISSING_SECRET", f"real mode needs {', '.join(missing)}")
    return {name: environ[name] for name in names}


def receipt(envelope, image, inputs):
    """What ran on what and how it ended, small enough to keep for ever."""
    return {
        "schema": 1,
        "ref": envelope["ref"],
        "image": image,
        "image_digest": envelope["image_digest"],
        "code_sha256": code_hash(),
        "mode": envelope["mode"],
        "inputs_sha256": canonical_hash(inputs),
        "outputs_sha256": canonical_hash(envelope["outputs"]),
        "status": envelope["status"],
    }


def canonical_hash(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def code_hash():
    """A hash of the files that this run executes: it says which bits answered."""
    root = Path(__file__).resolve().parent.parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def digest_of(image):
    return image.rpartition("@")[2] if image and "@" in image else None

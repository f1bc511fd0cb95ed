"""Runs a processor image by digest, locked in: no network, nothing to write but its outputs."""

import json
import os
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from . import settings


@dataclass
class Run:
    """How one run of a processor ended."""

    exit_code: int
    envelope: dict
    wall_seconds: float
    stderr: str
    files: dict = field(default_factory=dict)


def run_processor(image, request, budget):
    """One request to one image; `docker run` is ended when it exceeds its wall time."""
    name = f"{settings.project()}-{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory() as outputs:
        command = [
            "docker", "run", "--rm", "--interactive", "--name", name,
            # As part of the stack, so that its teardown also finds a container that is left over.
            "--label", f"com.docker.compose.project={settings.project()}",
            "--network", "none", "--read-only", "--tmpfs", "/tmp",
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--memory", f"{budget['memory_mb']}m", "--memory-swap", f"{budget['memory_mb']}m",
            "--pids-limit", "64", "--user", f"{os.getuid()}:{os.getgid()}",
            "--volume", f"{outputs}:/outputs", "--env", "PROCESSOR_OUTPUT_DIR=/outputs",
            "--env", f"IMAGE_REF={image}", image,
        ]  # fmt: skip
        started = time.monotonic()
        try:
            done = subprocess.run(
                command,
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=budget["wall_seconds"],
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
            message = f"{image} still ran after its budget of {budget['wall_seconds']} s"
            raise AssertionError(message) from error
        wall = time.monotonic() - started
        stderr = done.stderr.decode(errors="replace")
        try:
            envelope = json.loads(done.stdout)
        except ValueError as error:
            message = f"{image} printed no envelope, exit code {done.returncode}: {stderr[-2000:]}"
            raise AssertionError(message) from error
        return Run(done.returncode, envelope, wall, stderr, read_files(Path(outputs)))


def read_files(folder):
    """Every file below `folder`; a link is an error, as it may lead out of it."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise AssertionError(f"the processor left a link among its outputs: {path.name}")
        if path.is_file():
            files[str(path.relative_to(folder))] = path.read_bytes()
    return files


def container(service):
    """The id of the container of a service of the stack."""
    command = ["docker", "ps", "--quiet", "--no-trunc"]
    for label, value in (("project", settings.project()), ("service", service)):
        command += ["--filter", f"label=com.docker.compose.{label}={value}"]
    found = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    if len(found) != 1:
        raise AssertionError(f"{len(found)} containers of service {service}, expected one")
    return found[0]

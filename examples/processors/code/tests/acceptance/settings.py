"""What the suite is told by its environment.

ADAPTER, MODE            how processors run: `local` (Docker on this machine), `smoke`
PIPELINE_IMAGES          a JSON file: {"<ref>": "<repository>@sha256:<digest>"}
PIPELINE_SERVICE_<NAME>  host:port of a service of the stack
COMPOSE_PROJECT_NAME     the stack; also the label of containers that the suite starts
PIPELINE_REPORT_DIR      where the JUnit report goes (optional)
"""

import json
import os
from pathlib import Path


class SettingsError(Exception):
    """The suite cannot run with this environment."""


def variable(name):
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: start the suite with `pipeline accept`")
    return value


def check():
    for name, only in (("ADAPTER", "local"), ("MODE", "smoke")):
        if variable(name) != only:
            raise SettingsError(f"{name}={os.environ[name]}: this suite knows {name}={only} only")
    missing = sorted(contract["ref"] for contract in contracts() if contract["ref"] not in images())
    if missing:
        raise SettingsError(f"PIPELINE_IMAGES has no image for {', '.join(missing)}")


def images():
    return json.loads(Path(variable("PIPELINE_IMAGES")).read_text())


def contracts():
    folder = Path(__file__).parent / "contracts"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def address(service):
    host, _, port = variable(f"PIPELINE_SERVICE_{service.upper()}").rpartition(":")
    return host, int(port)


def project():
    return variable("COMPOSE_PROJECT_NAME")

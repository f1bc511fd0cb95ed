"""One processor as a Modal app: the pinned image, with `run` and `smoke` in front of it.

At deploy time three variables say what to deploy; each processor is an app of its own:

    PROCESSOR_REF   text/summarize@1
    IMAGE_REF       ghcr.io/acme/processors/text-summarize@sha256:...
    TOOL_SECRETS    names of Modal secrets for the container: a comma list or a JSON list
    REGISTRY_SECRET name of the Modal secret for a private registry; default REGISTRY_AUTH,
                    empty for a public one

The container imports this module again, without these variables. What it needs of them is
baked into the image's environment, and everything that only deploying needs is behind
`modal.is_local()`.
"""

import json
import os
import subprocess
import sys
import tempfile

import modal

PROCESSOR = "/app/main.py"


def app_name(ref):
    """text/summarize@1 -> text-summarize-v1"""
    name, _, version = ref.partition("@")
    return f"{name.replace('/', '-').replace('_', '-')}-v{version.replace('.', '-')}"


def names(text):
    """A comma list or a JSON list of names, whichever the variable holds."""
    found = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
    return [name.strip() for name in found if name.strip()]


def definition():
    """The app's name, image and secrets; only the name matters inside the container."""
    ref = os.environ.get("PROCESSOR_REF", "")
    if not modal.is_local():
        return app_name(ref) if ref else None, None, []
    image_ref = os.environ.get("IMAGE_REF", "")
    if not ref or "@sha256:" not in image_ref:
        raise SystemExit(
            "set PROCESSOR_REF (text/summarize@1) and IMAGE_REF (<repository>@sha256:<digest>)"
        )
    registry = os.environ.get("REGISTRY_SECRET", "REGISTRY_AUTH")
    image = modal.Image.from_registry(
        image_ref, secret=modal.Secret.from_name(registry) if registry else None
    )
    # The image's own entry point runs one request and ends; Modal starts its runner instead.
    image = image.entrypoint([]).env({"PROCESSOR_REF": ref, "IMAGE_REF": image_ref})
    secrets = [modal.Secret.from_name(name) for name in names(os.environ.get("TOOL_SECRETS", ""))]
    return app_name(ref), image, secrets


NAME, IMAGE, SECRETS = definition()
app = modal.App(NAME)


def process(payload):
    """Hands the request to the processor in the image, and returns its envelope.

    `without` lists secrets that the processor shall do without: a negative probe shows that it
    fails as declared when one is missing.
    """
    request = dict(payload)
    without = request.pop("without", [])
    env = {name: value for name, value in os.environ.items() if name not in without}
    with tempfile.TemporaryDirectory() as outputs:
        done = subprocess.run(
            [sys.executable, PROCESSOR],
            input=json.dumps(request).encode(),
            capture_output=True,
            env={**env, "PROCESSOR_OUTPUT_DIR": outputs},
            check=False,
        )
    try:
        return json.loads(done.stdout)
    except ValueError:
        said = done.stderr[-2000:].decode(errors="replace")
        message = f"exit code {done.returncode}: {said}"
        return {
            "status": "error",
            "ref": os.environ.get("PROCESSOR_REF"),
            "error": {"code": "ERR_NO_ENVELOPE", "message": message},
        }


@app.function(image=IMAGE, secrets=SECRETS, timeout=600)
def run(payload):
    """One request: {"mode": "mock" | "real", "inputs": {...}}."""
    return process(payload)


@app.function(image=IMAGE, secrets=SECRETS, timeout=120)
def smoke(payload):
    """The processor's own sample, without any provider unless `mode` says otherwise."""
    payload = payload if isinstance(payload, dict) else {}
    return process({"mode": "mock", **payload})

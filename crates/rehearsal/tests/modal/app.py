"""The app that the tests deploy; TEST_KIND says which of its images and functions."""

import os
import time

import modal

app = modal.App("tests")

if modal.is_local():
    ref = os.environ["PROCESSOR_REF"]
    image = modal.Image.from_registry(os.environ["IMAGE_REF"]).entrypoint([])
    image = image.env({"PROCESSOR_REF": ref, "QUOTED": "it's $5 \"and\" more"})
    if os.environ.get("TEST_KIND") == "layer":
        image = image.run_commands("echo changed > /etc/changed")
    secrets = [modal.Secret.from_name(n) for n in os.environ.get("TOOL_SECRETS", "").split(",") if n]
else:
    ref = os.environ["PROCESSOR_REF"]
    image, secrets = None, []
    if os.environ.get("BREAK_IMPORT"):
        raise RuntimeError("the module breaks in the container")


@app.function(image=image, secrets=secrets, timeout=60)
def smoke(payload):
    print("the key is", os.environ.get("TOOL_KEY"))
    return {
        "ref": ref,
        "payload": payload,
        "quoted": os.environ["QUOTED"],
        "local": modal.is_local(),
        "environment": os.environ["MODAL_ENVIRONMENT"],
        "key-length": len(os.environ.get("TOOL_KEY", "")),
        "marker": open("/etc/pipeline-test").read(),
        "networks": sorted(os.listdir("/sys/class/net")),
    }


@app.function(image=image, secrets=secrets)
def variables(payload):
    return sorted(os.environ)


@app.function(image=image, timeout=60)
def refuse(payload):
    raise ValueError("no such mode: " + payload["mode"])


@app.function(image=image, timeout=2)
def hang(payload):
    time.sleep(600)


@app.function(image=image, timeout=600)
def linger(payload):
    time.sleep(600)


@app.function(image=image, secrets=secrets, timeout=60)
def crash(payload):
    print("last words of", os.environ["TOOL_KEY"], flush=True)
    os._exit(7)


@app.function(image=image)
async def add(a, b=1):
    return a + b


@app.function(image=image)
def count(to):
    yield from range(to)

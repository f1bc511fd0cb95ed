"""Gives a registry an image for every item of a plan, under the tag of its inputs.

Arguments: the plan that `pipeline plan --json` wrote, and the repository of the processors, if they
are to be pinned to these images, with the record of their inputs beside them. A bench of look-ups
needs images that are there, not images that run.
"""

import concurrent.futures
import gzip
import hashlib
import http.client
import json
import pathlib
import subprocess
import sys
import threading

RECORD = "application/vnd.pipeline.inputs.v1+json"
OCI = "application/vnd.oci.image."
EMPTY = bytes(1024)  # an archive without files
LAYER = gzip.compress(EMPTY, mtime=0)
connections = threading.local()


def request(host, method, path, body=b"", kind="application/octet-stream"):
    if not hasattr(connections, "one"):
        connections.one = http.client.HTTPConnection(host)
    connections.one.request(method, path, body, {"Content-Type": kind})
    answer = connections.one.getresponse()
    answer.read()
    if answer.status >= 400:
        raise SystemExit(f"{method} {path}: {answer.status}")
    return answer.headers


def blob(host, repository, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    place = request(host, "POST", f"/v2/{repository}/blobs/uploads/")["Location"]
    place = "/v2/" + place.split("/v2/", 1)[1]
    request(host, "PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", data)
    return {"digest": digest, "size": len(data)}


def image(item):
    host, repository = item["repository"].split("/", 1)
    config = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"of": item["ref"]}}}
    content = "sha256:" + hashlib.sha256(EMPTY).hexdigest()
    config["rootfs"] = {"type": "layers", "diff_ids": [content]}
    docker = "application/vnd.docker."
    manifest = {
        "schemaVersion": 2,
        "mediaType": docker + "distribution.manifest.v2+json",
        "config": blob(host, repository, json.dumps(config).encode())
        | {"mediaType": docker + "container.image.v1+json"},
        "layers": [
            blob(host, repository, LAYER)
            | {"mediaType": docker + "image.rootfs.diff.tar.gzip"}
        ],
    }
    body = json.dumps(manifest).encode()
    path = f"/v2/{repository}/manifests/inputs-{item['key'][:32]}"
    request(host, "PUT", path, body, manifest["mediaType"])
    return descriptor(manifest["mediaType"], body)


def descriptor(kind, body):
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    return {"mediaType": kind, "digest": digest, "size": len(body)}


def record(item, subject):
    """What the image was made from, in the list of what is beside it."""
    host, repository = item["repository"].split("/", 1)
    own = [f"{item['context']}/libs/", item["dockerfile"].rsplit("/", 1)[0] + "/"]
    inside = len(item["context"]) + 1
    inputs = {
        name: item[name] for name in ["key", "dockerfile", "context", "target", "platforms"]
    } | {
        "schema": 1,
        "dockerfile-sha256": hashlib.sha256((root / item["dockerfile"]).read_bytes()).hexdigest(),
        "files": {path[inside:]: what for path, what in files if path.startswith(tuple(own))},
    }
    inputs |= {"args": {}, "bases": {}, "settings": {}}
    content = gzip.compress(json.dumps(inputs).encode(), mtime=0)
    empty = {"mediaType": "application/vnd.oci.empty.v1+json"}
    layer = {"mediaType": RECORD + "+gzip"}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI + "manifest.v1+json",
        "artifactType": RECORD,
        "config": empty | blob(host, repository, b"{}"),
        "layers": [layer | blob(host, repository, content)],
        "subject": subject,
    }
    body = json.dumps(manifest).encode()
    listed = descriptor(manifest["mediaType"], body)
    path = f"/v2/{repository}/manifests/"
    request(host, "PUT", path + listed["digest"], body, manifest["mediaType"])
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json"}
    index["manifests"] = [listed | {"artifactType": RECORD}]
    tag = subject["digest"].replace(":", "-")
    request(host, "PUT", path + tag, json.dumps(index).encode(), index["mediaType"])


def pinned(item):
    subject = image(item)
    record(item, subject)
    file = root / item["file"]
    pin = f"{item['repository']}@{subject['digest']}"
    file.write_text(file.read_text("utf-8").replace("sha256:pending", pin), "utf-8")


with open(sys.argv[1], encoding="utf-8") as file:
    items = json.load(file)["items"]
work = image
if len(sys.argv) > 2:
    work, root = pinned, pathlib.Path(sys.argv[2])
    listing = subprocess.check_output(["git", "ls-files", "-s"], cwd=root, text=True)
    fields = [line.split(None, 3) for line in listing.splitlines()]
    files = [(path, f"{mode} {blob_id}") for mode, blob_id, _, path in fields]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(work, items))

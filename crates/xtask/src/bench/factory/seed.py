"""Gives a registry an image for every item of a plan, under the tag of its inputs.

Argument: the plan that `pipeline plan --json` wrote. A bench of look-ups needs images that are
there, not images that run.
"""

import concurrent.futures
import gzip
import hashlib
import http.client
import json
import sys
import threading

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


with open(sys.argv[1], encoding="utf-8") as file:
    items = json.load(file)["items"]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(image, items))

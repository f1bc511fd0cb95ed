"""The baseline: the runbook's own way to build and pin, processor after processor.

Arguments: the root of the repository, where the images go, a tag.
"""

import json
import pathlib
import subprocess
import sys

import yaml

root, prefix, tag = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def docker(*words):
    return subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE).stdout


for path in sorted(root.glob("code/apps/core/registry/processors/*.yaml")):
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    repository = prefix + "/" + document["ref"].split("@")[0]
    image = f"{repository}:{tag}"
    context = root / "code" / document["build"]["context"]
    dockerfile = root / "code" / document["build"]["dockerfile"]
    docker(
        *("buildx", "build", "--push", "--progress=quiet", "--platform=linux/amd64"),
        *("--tag", image, "--file", str(dockerfile), str(context)),
    )
    manifest = docker("buildx", "imagetools", "inspect", image, "--format={{json .Manifest}}")
    digest = json.loads(manifest)["digest"]
    document["image"]["oci"] = f"{repository}@{digest}"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

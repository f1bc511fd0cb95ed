"""The baseline: set the pin in every file by loading and dumping the document."""

import pathlib
import sys

import yaml

folder, digest = sys.argv[1], sys.argv[2]
for path in sorted(pathlib.Path(folder).rglob("*.yaml")):
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["image"]["oci"] = "ghcr.io/example/processors/image@" + digest
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

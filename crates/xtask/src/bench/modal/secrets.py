"""One process that writes secrets one after the other: secrets.py ENVIRONMENT FILE."""

import json
import sys

import modal

environment, file = sys.argv[1:]
with open(file, encoding="utf-8") as opened:
    values = json.load(opened)
for name, value in values.items():
    modal.Secret._create_deployed(
        name, {name: value}, environment_name=environment, overwrite=True
    )

"""image/palette@1: a picture for a text, and the colours it is made of.

In mock mode the picture is drawn from a hash of the text: bands of colour that meet in soft
edges. In real mode an image model paints it. Either way it is decoded again, its colours are
grouped, and the picture and its palette are written.
"""

import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from collections import defaultdict

import png
from processor_runtime import ProcessorError, main

REF = "image/palette@1"
SAMPLE = {"prompt": "a lighthouse at dusk", "width": 96, "height": 64, "colours": 5}


def handle(inputs, mode, files, secrets):
    prompt = inputs.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ProcessorError("ERR_INPUT", "inputs.prompt is missing or empty")
    width = number(inputs, "width", 96, 8, 1024)
    height = number(inputs, "height", 64, 8, 1024)
    colours = number(inputs, "colours", 5, 1, 16)

    picture = draw(prompt, width, height) if mode == "mock" else paint(prompt, secrets)
    try:
        width, height, pixels = png.decode(picture)
    except png.PngError as error:
        raise ProcessorError("ERR_PROVIDER", f"cannot read the picture: {error}") from error
    found = palette(pixels, colours)
    result = {"width": width, "height": height, "palette": found}
    files.write("image/picture.png", picture, "image/png")
    text = json.dumps(result, indent=2) + "\n"
    files.write("palette.json", text.encode(), "application/json")
    return result


def number(inputs, name, default, least, most):
    value = inputs.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ProcessorError("ERR_INPUT", f"inputs.{name} is a number from {least} to {most}")
    return value


def draw(prompt, width, height):
    """Whole numbers only: the same bytes on every machine."""
    seed = hashlib.sha256(prompt.encode()).digest()
    bands = [tuple(seed[i * 3 : i * 3 + 3]) for i in range(5)]
    slant = seed[15] % 5 - 2
    rows = []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            # The position in 1/256 of a band; bands meet over the last quarter of each.
            place = ((x + slant * y) % width) * len(bands) * 256 // width
            band, offset = divmod(place, 256)
            here, there = bands[band], bands[(band + 1) % len(bands)]
            blend = max(0, offset - 192) * 4
            row += bytes((here[i] * (256 - blend) + there[i] * blend) // 256 for i in range(3))
        rows.append(bytes(row))
    return png.encode(width, height, rows)


def palette(pixels, colours):
    """The most frequent groups of like colours, each as the mean of its pixels."""
    groups = defaultdict(lambda: [0, 0, 0, 0])
    for red, green, blue in pixels:
        group = groups[red >> 5, green >> 5, blue >> 5]
        group[0] += 1
        group[1] += red
        group[2] += green
        group[3] += blue
    best = sorted(groups.items(), key=lambda item: (-item[1][0], item[0]))[:colours]
    return [
        {
            "colour": "#" + "".join(f"{part // count:02x}" for part in sums),
            "permille": count * 1000 // len(pixels),
        }
        for _, (count, *sums) in best
    ]


def paint(prompt, secrets):
    base = os.environ.get("REPLICATE_API_BASE") or "https://api.replicate.com/v1"
    url = base.rstrip("/") + "/models/black-forest-labs/flux-schnell/predictions"
    body = {"input": {"prompt": prompt, "output_format": "png"}}
    headers = {
        "Authorization": f"Bearer {secrets['REPLICATE_API_TOKEN']}",
        "Content-Type": "application/json",
        "Prefer": "wait",
    }
    try:
        request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=90) as answer:
            picture = json.load(answer)["output"][0]
        with urllib.request.urlopen(picture, timeout=30) as answer:
            return answer.read(32 * 1024 * 1024)
    except urllib.error.HTTPError as error:
        raise ProcessorError("ERR_PROVIDER", f"the image model answered {error.code}") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ProcessorError("ERR_PROVIDER", f"no answer from the image model: {error}") from error


if __name__ == "__main__":
    sys.exit(main(REF, handle, sample=SAMPLE, secrets=["REPLICATE_API_TOKEN"]))

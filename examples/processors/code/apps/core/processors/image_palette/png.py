"""PNG in and out: 8-bit RGB and RGBA without interlacing, which is what this processor handles."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST = 64 * 1024 * 1024


class PngError(ValueError):
    """The bytes are no PNG that this module reads."""


def encode(width, height, rows):
    """`rows`: for each line, its `width` pixels as 3 bytes each."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    raw = b"".join(b"\0" + row for row in rows)
    return (
        SIGNATURE
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw, 9))
        + chunk(b"IEND", b"")
    )


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def decode(data):
    """Returns width, height and the pixels as a list of (r, g, b)."""
    if not data.startswith(SIGNATURE):
        raise PngError("no PNG signature")
    at, header, body = len(SIGNATURE), None, b""
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        if kind == b"IHDR" and len(content) == 13:
            header = struct.unpack(">IIBBBBB", content)
        elif kind == b"IDAT":
            body += content
        at += 12 + length
    if header is None:
        raise PngError("no header")
    width, height, depth, colour, _, _, interlace = header
    if depth != 8 or colour not in (2, 6) or interlace:
        raise PngError("only 8-bit RGB and RGBA without interlacing")
    step = 3 if colour == 2 else 4
    stride = width * step
    if not 0 < (stride + 1) * height <= LARGEST:
        raise PngError("too large")
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(body, (stride + 1) * height)
    except zlib.error as error:
        raise PngError(str(error)) from error
    if len(raw) != (stride + 1) * height:
        raise PngError("cut off")
    pixels, before = [], bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        line = unfilter(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, step)
        pixels += [tuple(line[i : i + 3]) for i in range(0, stride, step)]
        before = line
    return width, height, pixels


def unfilter(kind, line, before, step):
    """Undoes a line's filter (PNG specification, section 9)."""
    if kind > 4:
        raise PngError(f"unknown filter {kind}")
    for i in range(len(line) if kind else 0):
        left = line[i - step] if i >= step else 0
        above = before[i]
        corner = before[i - step] if i >= step else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above
        elif kind == 3:
            guess = (left + above) // 2
        else:
            target = left + above - corner
            guess = min((left, above, corner), key=lambda value: abs(target - value))
        line[i] = (line[i] + guess) & 255
    return line

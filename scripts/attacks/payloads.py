"""Bodies that are small to send and dear to answer. Needs no packages."""
import base64
import functools
import gzip
import json
import struct
import zlib

import arrow


def png(width, height, rows=None, claim=None):
    """Grey PNG of `rows` (bytes of each row, else zeros); its header may claim another size."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    data = b"".join(b"\0" + row for row in rows) if rows else bytes((width + 1) * height)
    head = struct.pack(">IIBBBBB", *(claim or (width, height)), 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def gif(width, height, frames=1):
    """GIF that claims a size and has one pixel of data."""
    frame = b"," + struct.pack("<HHHH", 0, 0, width, height) + b"\0\2\2L\1\0"
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6) + frame * frames + b";"


def bmp(width, height):
    """BMP of four bytes of pixels that claims a size."""
    return b"BM" + struct.pack("<IHHI", 58, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 4, 0, 0, 0, 0) + bytes(4)


def webp(side):
    """Lossless WebP that claims a square."""
    data = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14) + bytes(8)
    return b"RIFF" + struct.pack("<I", 12 + len(data)) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


@functools.cache
def picture_bombs():
    """Bodies for the image model."""
    pictures = [gif(16384, 16384), gif(65535, 65535, 8), gif(4000, 4000, 500), png(9000, 9000), png(1, 1, claim=(30000, 30000)),
                png(1, 60000), bmp(30000, 30000), webp(16383), b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\3\1\x22\0\2\x11\1\3\x11\1"]
    texts = [base64.b64encode(picture).decode() for picture in pictures]
    bodies = [json.dumps({"rows": [{"image": text}]}).encode() for text in texts]
    return [*bodies, json.dumps({"rows": [{"image": texts[0]}] * 2000}).encode()]


@functools.cache
def arrow_bombs(columns):
    """Arrow streams: millions of null rows in some hundred kilobytes, one batch that claims 2^40 rows, a cut one."""
    few = columns[:4]
    many, huge = arrow.null_stream(few, 2200, 1000), arrow.null_stream(columns[:1], 1, 1 << 40)
    return [many, huge, arrow.null_stream(columns[:1], 50000, 1), many[:-5]]


def deep(depth, kind, leaf):
    for _ in range(depth):
        leaf = {kind: [leaf, {"type": "object", "properties": {"x": leaf if depth < 8 else {"type": "integer"}}}]}
    return leaf


@functools.cache
def schema_bombs():
    """Requests for text that follows a schema which is small to write and large to compile."""
    schemas = [
        deep(14, "allOf", {"type": "object", "properties": {"a": {"type": "string"}}}),
        deep(14, "anyOf", {"type": "integer"}),
        deep(7, "anyOf", {"type": "object", "properties": {"a": {"type": "number"}}}),
        {"allOf": [{"anyOf": [{"type": "object", "properties": {f"k{i}{j}": {"enum": [i, j]}}} for j in range(7)]} for i in range(7)]},
        {"type": "string", "pattern": "^(a{0,900}){0,900}$"},
        {"type": "string", "pattern": "^([a-z]*[0-9]*)*(.{1,500}){1,500}$"},
        {"type": "array", "items": {"type": "string", "maxLength": 1 << 30}, "minItems": 1 << 30},
        {"enum": [f"value {i}" for i in range(60000)]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}},
        {"type": "integer", "minimum": -1e308, "maximum": 1e308, "multipleOf": 1e-300},
    ]
    body = {"model": "talk", "prompt": "the", "max_tokens": 8, "n": 32}
    forms = [{**body, "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}} for schema in schemas]
    long = {"model": "talk", "prompt": "the cat " * 900_000, "max_tokens": 8}
    return [json.dumps(form).encode() for form in [*forms, long]]


@functools.cache
def gzip_bombs():
    """Bodies that decompress to a gigabyte: of spaces, of an open list, of a gzip stream within another."""
    def squeezed(text, times):
        squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
        return b"".join(squeeze.compress(text) for _ in range(times)) + squeeze.flush()
    megabyte = 1 << 20
    return [squeezed(b" " * megabyte, 1024), squeezed(b"[" * megabyte, 256), gzip.compress(squeezed(b" " * megabyte, 512)),
            squeezed(b'{"rows": [{}', 1) + b"\0" * 100]


@functools.cache
def wide_bodies():
    """Rows that cost more to answer than to send: many rows, many columns, deep nesting, long numbers."""
    return [
        ("text/csv", b"text\n" + b"a\n" * 500_000),
        ("application/x-ndjson", b"{}\n" * 300_000),
        ("application/json", b'{"rows": [' + b"{}," * 300_000 + b"{}]}"),
        ("application/json", b'{"rows": ' + b"[" * 100_000),
        ("application/json", b'{"rows": [{' + b",".join(b'"c%d": 1' % i for i in range(100_000)) + b"}]}"),
        ("application/json", b'{"rows": [{"pixel_0_0": ' + b"9" * 1_000_000 + b"}]}"),
    ]


def prepare(columns):
    """Makes all of them once, before processes are forked."""
    picture_bombs(), arrow_bombs(tuple(columns)), schema_bombs(), gzip_bombs(), wide_bodies()

#!/usr/bin/env python3
"""Writes crates/prep/src/transform/golden/pictures.json: small pictures of every kind with the pixels that Pillow gives
for them, and broken ones that must be refused.

Pixels are those of ImageOps.exif_transpose(Image.open(file)).convert("RGB") and convert("L"). One kind differs on
purpose: Pillow cuts 16-bit grey off at 255, here the high byte is kept, as Pillow does for 16-bit colours.

Needs: Pillow 13, numpy 2. Prints the path it wrote.
"""
import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

OUT = pathlib.Path(__file__).parents[2] / "crates/prep/src/transform/golden/pictures.json"
rng = np.random.default_rng(0)


def text(data):
    return base64.b64encode(data).decode()


def saved(image, kind, **more):
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def png(width, height, depth, colour, rows, chunks=()):
    """A PNG of raw scanlines, for kinds that Pillow does not write."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    middle = b"".join(chunk(name, data) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + middle + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


y, x = np.mgrid[0:16, 0:16]
smooth = Image.fromarray(np.stack([x * 15, y * 15, (x + y) * 8], -1).astype(np.uint8))
blocks = Image.fromarray(np.kron(rng.integers(60, 200, (4, 4, 3), np.uint8), np.ones((4, 4, 1), np.uint8)))
small = Image.fromarray(rng.integers(0, 256, (3, 5, 3), np.uint8))  # no two sides alike
alpha = small.convert("RGBA")
alpha.putalpha(Image.fromarray(rng.integers(0, 256, (3, 5), np.uint8)))
palette = small.quantize(8)
words = rng.integers(0, 65536, (3, 5), np.uint16)
deep = rng.integers(0, 65536, (3, 5, 3), np.uint16)
deep_alpha = rng.integers(0, 65536, (3, 5, 2), np.uint16)
other = Image.fromarray(rng.integers(0, 256, (3, 5, 3), np.uint8))

files = {
    "rgb.png": saved(small, "PNG"),
    "grey.png": saved(small.convert("L"), "PNG"),
    "one_bit.png": saved(small.convert("1"), "PNG"),
    "two_bits.png": png(4, 2, 2, 0, [bytes([0b00011011]), bytes([0b11100100])]),
    "four_bits.png": png(4, 2, 4, 0, [bytes([0x0F, 0x37]), bytes([0x8A, 0xC1])]),
    "grey_key.png": png(3, 1, 8, 0, [bytes([10, 20, 30])], [(b"tRNS", b"\0\x14")]),
    "grey_alpha.png": saved(alpha.convert("LA"), "PNG"),
    "rgba.png": saved(alpha, "PNG"),
    "palette.png": saved(palette, "PNG"),
    "palette_transparent.png": saved(palette, "PNG", transparency=bytes(range(0, 240, 30))),
    "grey_16.png": saved(Image.fromarray(words), "PNG"),
    "rgb_16.png": png(5, 3, 16, 2, [row.astype(">u2").tobytes() for row in deep]),
    "grey_alpha_16.png": png(5, 3, 16, 4, [row.astype(">u2").tobytes() for row in deep_alpha]),
    "turned_6.png": saved(small, "PNG", exif=exif(6)),
    "rgb.bmp": saved(small, "BMP"),
    "palette.bmp": saved(palette, "BMP"),
    "one_bit.bmp": saved(small.convert("1"), "BMP"),
    "palette.gif": saved(palette, "GIF"),
    "transparent.gif": saved(palette, "GIF", transparency=2),
    "grey.gif": saved(small.convert("L"), "GIF"),
    "animated.gif": saved(small.quantize(8), "GIF", save_all=True, append_images=[other.quantize(8)], duration=50),
    "lossless.webp": saved(small, "WEBP", lossless=True),
    "alpha.webp": saved(alpha, "WEBP", lossless=True, exact=True),
    "animated.webp": saved(small, "WEBP", lossless=True, save_all=True, append_images=[other]),
    "turned_3.webp": saved(small, "WEBP", lossless=True, exif=exif(3)),
    "rgb.jpg": saved(smooth, "JPEG", quality=95, subsampling=0, optimize=True),
    "halved_chroma.jpg": saved(blocks, "JPEG", quality=95, subsampling=2, optimize=True),
    "progressive.jpg": saved(smooth, "JPEG", quality=95, progressive=True),
    "grey.jpg": saved(smooth.convert("L"), "JPEG", quality=95, optimize=True),
    "cmyk.jpg": saved(smooth.convert("CMYK"), "JPEG", quality=95, optimize=True),
    "restarts.jpg": saved(blocks, "JPEG", quality=95, subsampling=0, optimize=True, restart_marker_blocks=1),
}
for orientation in range(1, 9):
    picture = Image.fromarray((x[:8] * 16).astype(np.uint8)) if orientation % 2 else smooth.crop((0, 0, 16, 8))
    files[f"turned_{orientation}.jpg"] = saved(picture, "JPEG", quality=95, optimize=True, exif=exif(orientation))

good = []
for name, data in files.items():
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    rgb, grey = np.array(image.convert("RGB")), np.array(image.convert("L"))
    if name == "grey_16.png":
        grey = (words >> 8).astype(np.uint8)
        rgb = np.repeat(grey[..., None], 3, axis=2)
    assert len(data) < 1024, (name, len(data))
    # The inverse transform and the interpolation of colours round differently in every decoder.
    tolerance = (3 if name == "halved_chroma.jpg" else 2) if name.endswith(".jpg") else 0
    good.append({
        "name": name, "file": text(data), "height": grey.shape[0], "width": grey.shape[1], "tolerance": tolerance,
        "rgb": text(rgb.tobytes()), "grey": text(grey.tobytes()),
    })


def cut(name, by):
    return files[name][:-by]


damaged = bytearray(files["rgb.png"])
damaged[-20] ^= 0xFF  # inside of the compressed pixels
broken = {
    "without its end.jpg": (cut("rgb.jpg", 2), "truncated JPEG"),
    "half.jpg": (cut("rgb.jpg", len(files["rgb.jpg"]) // 3), "truncated JPEG"),
    "half progressive.jpg": (cut("progressive.jpg", 120), "truncated JPEG"),
    "headers only.jpg": (files["rgb.jpg"][:40], "truncated JPEG"),
    "half thumbnail.jpg": (cut("turned_6.jpg", 10), "truncated JPEG"),
    "half.png": (cut("rgb.png", 30), "truncated PNG"),
    "damaged.png": (bytes(damaged), "broken PNG"),
    "half.gif": (cut("palette.gif", 12), "GIF"),
    "half.webp": (cut("lossless.webp", 20), "WebP"),
    "half.bmp": (cut("rgb.bmp", 9), "truncated BMP"),
    "empty.png": (b"", "an empty file"),
    "page.png": (b"<!doctype html><title>Not found</title>", "a file of another kind"),
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    "other.jpg": (saved(small, "TIFF")[:200], "TIFF"),
}
bad = [{"name": name, "file": text(data), "says": says} for name, (data, says) in broken.items()]
OUT.write_text(json.dumps({"good": good, "broken": bad}, indent=0) + "\n")
print(OUT)

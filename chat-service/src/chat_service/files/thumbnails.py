"""Thumbnails: a small picture of an image, made of its pixels alone."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageOps

BOX = (480, 480)
"""Thumbnails fit into this, in pixels."""

MOST_PIXELS = 24_000_000
"""Larger images get none: a few bytes can stand for gigabytes of pixels (decompression bombs)."""

MOST_JPEG_PIXELS = 150_000_000
"""JPEG is decoded no larger than the thumbnail needs, so that the largest pictures of phones fit in."""

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
"""The decoders that may be run on what strangers send."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is shown: its size in pixels, turned upright, and its thumbnail in WebP."""

    width: int
    height: int
    thumbnail: bytes


def picture_of(file: BinaryIO) -> Picture | None:
    """Look at an image; None for what cannot be decoded or is too large. Runs for a while: in a thread.

    The first frame of what moves. Nothing of the metadata gets into the thumbnail (a camera writes where a
    picture was taken); the orientation that it gives is applied.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about files that are odd: they are odd every day
            with Image.open(file, formats=FORMATS) as image:
                return _picture(image)
    except Exception:  # noqa: BLE001 - decoders raise whatever they like on a broken file
        return None


def _picture(image: Image.Image) -> Picture | None:
    if image.width * image.height > (MOST_JPEG_PIXELS if image.format == "JPEG" else MOST_PIXELS):
        return None
    # Lets the JPEG decoder skip detail that the thumbnail does not need.
    width, height = image.size
    turned = image.getexif().get(0x0112, 1) in {5, 6, 7, 8}  # EXIF 2.3, orientation: sides are swapped
    image.draft("RGB", BOX)
    small = ImageOps.exif_transpose(image)
    small.thumbnail(BOX)
    small = small.convert("RGBA" if small.mode in {"RGBA", "LA", "PA", "P"} else "RGB")
    written = io.BytesIO()
    bare = Image.new(small.mode, small.size)
    bare.paste(small)
    bare.save(written, "WEBP", quality=80)
    return Picture(*((height, width) if turned else (width, height)), written.getvalue())

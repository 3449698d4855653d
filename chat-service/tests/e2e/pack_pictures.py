"""Makes screenshots small: few colours are enough for letters and flat areas, and Git keeps every version."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from PIL import Image

COLOURS = 256
MOST_BYTES = 150_000


def pack(picture: Path) -> int:
    """Write the picture again with a palette; returns its size. Raises ValueError where it stays large."""
    with Image.open(picture) as image:
        # The alpha channel of a screenshot says nothing.
        flat = image.convert("RGB")
    # The commonest colours, so that areas keep theirs; the edge of a letter takes the nearest of them.
    counted = sorted(flat.getcolors(flat.width * flat.height) or [], reverse=True)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in counted[:COLOURS] for part in cast("tuple[int, ...]", colour)])
    flat = flat.quantize(palette=palette, dither=Image.Dither.NONE)
    flat.save(picture, optimize=True)
    size = picture.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{picture.name} has {size} bytes, more than {MOST_BYTES}")
    return size


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.png")):
        print(f"{path.name}: {pack(path) // 1000} kB")

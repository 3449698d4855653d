"""Looking at files: what they are, how they are called, what their thumbnails give away."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chat_service.files.kinds import HEAD_BYTES, kind_of
from chat_service.files.names import MAX_NAME_CHARS, clean_name
from chat_service.files.thumbnails import picture_of

GPS, ORIENTATION = 0x8825, 0x0112


def image(kind: str = "PNG", size: tuple[int, int] = (600, 300), **options: Any) -> bytes:
    written = io.BytesIO()
    mode = options.pop("mode", "RGB")
    Image.new(mode, size, "red" if mode[:3] == "RGB" else 3).save(written, kind, **options)
    return written.getvalue()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (image("PNG"), "image/png"),
        (image("JPEG"), "image/jpeg"),
        (image("GIF", mode="P"), "image/gif"),
        (image("WEBP"), "image/webp"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\x03\x04rest", "application/zip"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"OggS\0", "audio/ogg"),
        (b"<html><script>alert(1)</script>", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain"),
        ("a\tz\r\nü\n".encode(), "text/plain"),
        (("ü" * HEAD_BYTES).encode()[1:][: HEAD_BYTES - 1], "application/octet-stream"),
        (("a" + "ü" * HEAD_BYTES).encode()[:HEAD_BYTES], "text/plain"),
        (b"text\x00", "application/octet-stream"),
        (b"\xff\xfe", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, kind: str) -> None:
    assert kind_of(head[:HEAD_BYTES]) == kind


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("folder/", "folder"),
        ("a\r\nSet-Cookie: b=1.txt", "aSet-Cookie: b=1.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        ("  . . ", "file"),
        ("..", "file"),
        ("", "file"),
        ("a  b\u2028c.txt", "a bc.txt"),
        ("u\u0308.txt", "ü.txt"),
    ],
)
def test_a_name_is_made_safe_to_show(given_: str, kept: str) -> None:
    assert clean_name(given_) == kept


def test_a_long_name_keeps_its_extension() -> None:
    name = clean_name("x" * 500 + ".tar.gz")
    assert len(name) == MAX_NAME_CHARS
    assert name.endswith("….gz")
    assert len(clean_name("x" * 500)) == MAX_NAME_CHARS


@given(st.text(max_size=300))
def test_whatever_a_name_is_it_becomes_one_line_without_folders(name: str) -> None:
    clean = clean_name(name)
    assert 0 < len(clean) <= MAX_NAME_CHARS
    assert clean_name(clean) == clean
    assert not set(clean) & set("/\\\r\n\0\u202e\u2066")


# -- thumbnails ---------------------------------------------------------------------------------------


def test_a_thumbnail_fits_the_box_and_keeps_its_shape() -> None:
    picture = picture_of(io.BytesIO(image(size=(1200, 300))))
    assert picture is not None
    assert (picture.width, picture.height) == (1200, 300)
    with Image.open(io.BytesIO(picture.thumbnail)) as small:
        assert (small.format, small.size) == ("WEBP", (480, 120))


def test_a_small_image_is_not_blown_up() -> None:
    picture = picture_of(io.BytesIO(image(size=(3, 2))))
    assert picture is not None
    with Image.open(io.BytesIO(picture.thumbnail)) as small:
        assert small.size == (3, 2)


def test_a_photograph_is_turned_upright_and_says_nothing_of_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(GPS)[2] = (48.0, 12.0, 3.0)
    exif[0x010F] = "A camera"
    picture = picture_of(io.BytesIO(image("JPEG", (4000, 3000), exif=exif)))
    assert picture is not None
    assert (picture.width, picture.height) == (3000, 4000)
    with Image.open(io.BytesIO(picture.thumbnail)) as small:
        assert small.size == (360, 480)
        assert not small.getexif()
    assert b"A camera" not in picture.thumbnail


def test_what_moves_is_shown_by_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])
    picture = picture_of(written)
    assert picture is not None
    with Image.open(io.BytesIO(picture.thumbnail)) as small:
        assert getattr(small, "n_frames", 1) == 1
        assert small.convert("RGB").getpixel((5, 5))[0] > 200  # type: ignore[index]


def test_what_is_see_through_stays_so() -> None:
    picture = picture_of(io.BytesIO(image(mode="RGBA", size=(9, 9))))
    assert picture is not None
    with Image.open(io.BytesIO(picture.thumbnail)) as small:
        assert small.mode in {"RGBA", "RGB"}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        image("PNG")[:100],
        image("JPEG")[:300],
        b"GIF89a" + b"\xff" * 50,
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        image("BMP"),
    ],
    ids=["empty", "png head", "png cut", "jpeg cut", "gif nonsense", "postscript", "bmp"],
)
def test_what_cannot_be_decoded_has_no_picture(broken: bytes) -> None:
    assert picture_of(io.BytesIO(broken)) is None


def test_a_decompression_bomb_is_not_unpacked() -> None:
    bomb = image("PNG", (9000, 9000), mode="L")
    assert len(bomb) < 200_000
    assert picture_of(io.BytesIO(bomb)) is None

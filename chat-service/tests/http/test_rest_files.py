"""Files over REST: uploading, bringing with a message, reading, taking back, and all that is refused."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rest_client import Client, Reply, a_channel, a_guest, client_of, somebody
from rest_service import Service, running

from chat_service.rooms import filing

TEXT = b"some notes\n"


def png(size: tuple[int, int] = (600, 300)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "red").save(written, "PNG")
    return written.getvalue()


async def upload(who: Client, room: str, data: Any = TEXT, name: str = "notes.txt") -> Reply:
    return await who.call("POST", f"/rooms/{room}/files", data=data, params={"name": name})


async def uploaded(who: Client, room: str, data: Any = TEXT, name: str = "notes.txt") -> dict[str, Any]:
    reply = await upload(who, room, data, name)
    assert reply.status == 201, reply.text
    return dict(reply.body)


async def sent(who: Client, room: str, *files: str, text: str | None = None) -> int:
    body = {"files": list(files)} | ({} if text is None else {"text": text})
    return int((await who.expect(201, "POST", f"/rooms/{room}/messages", {"body": body}))["seq"])


async def bytes_of(who: Client, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    auth = {"Authorization": f"Bearer {who.token}"} if who.token else {}
    async with who.http.get(f"{who.url}/api/v1{path}", headers=auth | headers) as answer:
        return answer.status, answer.headers, await answer.read()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that the service does by itself; fail where it does not."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


def kept(folder: Path) -> set[str]:
    return {str(path.relative_to(folder / "files")) for path in (folder / "files").rglob("*") if path.is_file()}


async def test_an_image_is_uploaded_brought_by_a_message_and_read(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    file = await uploaded(ann, room, png(), "sketch.png")
    assert {name: file[name] for name in ("name", "type", "width", "height", "thumbnail")} == {
        "name": "sketch.png",
        "type": "image/png",
        "width": 600,
        "height": 300,
        "thumbnail": True,
    }
    assert (await bytes_of(bob, f"/files/{file['id']}"))[0] == 404
    seq = await sent(ann, room, file["id"])
    (message,) = (await bob.expect(200, "GET", f"/rooms/{room}/messages"))["messages"]
    assert (message["seq"], message["body"]) == (seq, {"text": "", "files": [file]})
    status, headers, data = await bytes_of(bob, f"/files/{file['id']}")
    assert (status, headers["Content-Type"], data) == (200, "image/png", png())
    assert headers["Content-Disposition"] == "inline; filename*=UTF-8''sketch.png"
    status, headers, data = await bytes_of(bob, f"/files/{file['id']}/thumbnail")
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (480, 240)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("page.html", b"<html><script>alert(1)</script></html>"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("a.png", b"<html>not an image</html>"),
        ("cut.png", png()[:60]),
        ("a.pdf", b"%PDF-1.7\n"),
    ],
)
async def test_whatever_could_run_in_a_browser_comes_as_bytes_to_be_saved(
    ann: Client, name: str, data: bytes
) -> None:
    room = await a_channel(ann)
    file = await uploaded(ann, room, data, name)
    assert file["thumbnail"] is False
    _, headers, given = await bytes_of(ann, f"/files/{file['id']}")
    assert given == data
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    await ann.refused("not_found", "GET", f"/files/{file['id']}/thumbnail")


async def test_a_name_is_sent_as_words_and_never_as_a_header(ann: Client) -> None:
    room = await a_channel(ann)
    file = await uploaded(ann, room, TEXT, 'ü\r\nSet-Cookie: a=1;\u202egpj."exe"')
    assert file["name"] == 'üSet-Cookie: a=1;gpj."exe"'
    _, headers, _ = await bytes_of(ann, f"/files/{file['id']}")
    assert "Set-Cookie" not in headers
    assert headers["Content-Disposition"].isascii()


async def test_what_a_browser_holds_is_checked_again_each_time(ann: Client) -> None:
    room = await a_channel(ann)
    file = await uploaded(ann, room)
    _, headers, _ = await bytes_of(ann, f"/files/{file['id']}")
    assert headers["Cache-Control"] == "private, no-cache"
    status, _, data = await bytes_of(ann, f"/files/{file['id']}", **{"If-None-Match": headers["ETag"]})
    assert (status, data) == (304, b"")


async def test_a_file_is_for_those_who_may_read_its_message(ann: Client, bob: Client, nobody: Client) -> None:
    room = await a_channel(ann, visibility="private", history="joined", guests=True)
    file = await uploaded(ann, room)
    await sent(ann, room, file["id"])
    guest = await a_guest(nobody)

    async def reads(who: Client) -> int:
        return (await bytes_of(who, f"/files/{file['id']}"))[0]

    assert [await reads(who) for who in (ann, bob, guest, nobody)] == [200, 404, 404, 401]
    await ann.expect(201, "POST", f"/rooms/{room}/members", {"user": bob.user["id"]})
    assert await reads(bob) == 404  # the message came before he did
    public = await a_channel(ann)
    shown = await uploaded(ann, public)
    await sent(ann, public, shown["id"])
    assert [(await bytes_of(who, f"/files/{shown['id']}"))[0] for who in (bob, guest)] == [200, 404]


async def test_a_file_goes_with_its_message(service: Service, ann: Client, tmp_path: Path) -> None:
    room = await a_channel(ann)
    files = [await uploaded(ann, room, png(), "a.png"), await uploaded(ann, room)]
    seq = await sent(ann, room, *[file["id"] for file in files], text="two")
    assert len(kept(tmp_path)) == 3
    used = await ann.expect(200, "GET", "/files/usage")
    assert used["used"] == sum(file["size"] for file in files)
    await ann.refused("conflict", "DELETE", f"/files/{files[0]['id']}")
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{seq}")
    assert (await bytes_of(ann, f"/files/{files[0]['id']}"))[0] == 404
    await service.heart.rooms.redactor.overwrite(room)
    assert kept(tmp_path) == set()
    assert (await ann.expect(200, "GET", "/files/usage"))["used"] == 0


async def test_an_upload_is_taken_back(ann: Client, bob: Client, tmp_path: Path) -> None:
    room = await a_channel(ann)
    file = await uploaded(ann, room)
    await bob.refused("not_found", "DELETE", f"/files/{file['id']}")
    await ann.expect(204, "DELETE", f"/files/{file['id']}")
    await ann.refused("not_found", "DELETE", f"/files/{file['id']}")
    assert kept(tmp_path) == set()


async def test_a_message_brings_only_what_its_sender_uploaded_to_its_room(ann: Client, bob: Client) -> None:
    room, other = await a_channel(ann), await a_channel(ann, name="other")
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    theirs, elsewhere = await uploaded(bob, room), await uploaded(ann, other)
    mine = await uploaded(ann, room)
    messages = f"/rooms/{room}/messages"
    for file in (theirs["id"], elsewhere["id"], "f" + "a" * 21):
        await ann.refused("not_found", "POST", messages, {"body": {"files": [mine["id"], file]}, "key": "same"})
    twice = {"body": {"files": [mine["id"], mine["id"]]}}
    assert (await ann.refused("invalid", "POST", messages, twice))["field"] == "body.files"
    message = {"body": {"text": "one", "files": [mine["id"]]}, "key": "same"}
    first = await ann.expect(201, "POST", messages, message)
    assert await ann.expect(201, "POST", messages, message) == {**first, "duplicate": True}
    await ann.refused("not_found", "POST", messages, {"body": {"text": "again", "files": [mine["id"]]}})


async def test_an_edit_leaves_the_files(ann: Client) -> None:
    room = await a_channel(ann)
    file = await uploaded(ann, room)
    seq = await sent(ann, room, file["id"], text="befor")
    await ann.expect(200, "PATCH", f"/rooms/{room}/messages/{seq}", {"body": {"text": "before"}})
    (message,) = (await ann.expect(200, "GET", f"/rooms/{room}/messages"))["messages"]
    assert message["body"] == {"text": "before", "files": [file]}


async def test_who_may_not_write_uploads_nothing(ann: Client, bob: Client, nobody: Client, tmp_path: Path) -> None:
    room = await a_channel(ann)
    assert (await upload(bob, room)).code == "forbidden"
    assert (await upload(await a_guest(nobody), room)).code == "not_found"
    assert (await upload(nobody, room)).code == "unauthenticated"
    assert (await ann.call("POST", f"/rooms/{room}/files", data=TEXT)).code == "invalid"
    assert kept(tmp_path) == set()


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def test_sizes_and_quotas_are_kept_however_a_file_is_sent(tmp_path: Path) -> None:
    limits = {"max_file_bytes": 1000, "files_quota_bytes": 2500, "files_guest_quota_bytes": 10}
    async with running(tmp_path, **limits) as service, client_of(service) as nobody:
        ann = await somebody(nobody)
        room = await a_channel(ann, guests=True)
        about = await nobody.expect(200, "GET", "/about")
        assert about["max_file_bytes"] == 1000
        for data in (b"x" * 1001, pieces(b"x" * 600, b"x" * 600)):
            assert (await upload(ann, room, data)).code == "too_large"
        for _ in range(2):
            await uploaded(ann, room, b"x" * 1000)
        for data in (b"x" * 501, pieces(b"x" * 501)):
            assert (await upload(ann, room, data)).code == "quota_exceeded"
        await uploaded(ann, room, b"x" * 500)
        guest = await a_guest(nobody)
        await ann.expect(201, "POST", f"/rooms/{room}/members", {"user": guest.user["id"], "role": "guest"})
        assert (await upload(guest, room, b"x" * 11)).code == "quota_exceeded"
        assert len(kept(tmp_path)) == 3


async def test_an_upload_that_breaks_off_leaves_nothing(service: Service, ann: Client, tmp_path: Path) -> None:
    room = await a_channel(ann)
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(
        f"POST /api/v1/rooms/{room}/files?name=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
        f"Content-Length: 500000\r\n\r\n".encode()
        + b"x" * 400_000
    )
    await writer.drain()
    files = service.heart.files
    await until(lambda: bool(files._uploading))
    writer.close()
    await until(lambda: not files._uploading)
    assert (await reader.read()) == b""
    assert kept(tmp_path) == set()
    assert not any(tmp_path.glob("tmp*"))  # noqa: ASYNC240 - a small folder
    assert (await ann.expect(200, "GET", "/files/usage"))["used"] == 0


async def test_nobody_uploads_more_than_a_few_files_at_once(service: Service, ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    go = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x"
        await go.wait()

    slow = [asyncio.create_task(upload(ann, room, slowly())) for _ in range(4)]
    await until(lambda: service.heart.files._uploading.total() == 4)
    assert (await upload(ann, room)).code == "rate_limited"
    assert (await upload(bob, room)).status == 201
    go.set()
    assert [(await reply).status for reply in slow] == [201] * 4


async def test_what_no_message_brings_is_swept_after_a_day(
    service: Service, ann: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await a_channel(ann)
    brought, lost, claimed = [await uploaded(ann, room, name=name) for name in "abc"]
    await sent(ann, room, brought["id"])
    heart = service.heart
    await heart.files.claim(room, ann.user["id"], "never sent", [claimed["id"]])
    (tmp_path / "files" / "files" / ("f" + "q" * 21)).write_bytes(b"no row")
    await heart.filing.sweep()
    assert len(kept(tmp_path)) == 4
    monkeypatch.setattr(filing, "KEPT_UNATTACHED_S", -1)
    await heart.filing.sweep()
    assert kept(tmp_path) == {f"files/{brought['id']}"}
    assert (await bytes_of(ann, f"/files/{brought['id']}"))[0] == 200
    assert (await bytes_of(ann, f"/files/{lost['id']}"))[0] == 404


async def test_a_message_whose_note_was_lost_keeps_its_file(
    service: Service, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the append and the note that the file is attached: the log is the truth."""
    room = await a_channel(ann)
    file = await uploaded(ann, room)
    heart = service.heart

    async def lost(_: object) -> None: ...

    monkeypatch.setattr(heart.files.directory, "attach", lost)
    await sent(ann, room, file["id"])
    monkeypatch.undo()
    monkeypatch.setattr(filing, "KEPT_UNATTACHED_S", -1)
    await heart.filing.sweep()
    assert (await bytes_of(ann, f"/files/{file['id']}"))[0] == 200
    assert (await heart.files.directory.rows([file["id"]]))[file["id"]].attached


async def test_erasing_somebody_removes_their_files(service: Service, ann: Client, tmp_path: Path) -> None:
    room = await a_channel(ann)
    await sent(ann, room, (await uploaded(ann, room))["id"])
    await service.heart.rooms.erase_user(ann.user["id"])
    assert kept(tmp_path) == set()


async def test_a_file_whose_bytes_are_gone_is_said_to_be_gone(service: Service, ann: Client) -> None:
    room = await a_channel(ann)
    file = await uploaded(ann, room)
    await service.heart.files.objects.remove(f"files/{file['id']}")
    await ann.refused("not_found", "GET", f"/files/{file['id']}")


async def test_a_compressed_upload_is_refused(ann: Client) -> None:
    room = await a_channel(ann)
    reply = await ann.raw(
        "POST",
        f"/api/v1/rooms/{room}/files?name=a",
        data=TEXT,
        headers={"Content-Encoding": "gzip"},
    )
    assert reply.status == 415

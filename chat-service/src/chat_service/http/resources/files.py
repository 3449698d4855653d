"""Files: uploading one for a message, reading it, taking it back."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chat_service.files.kinds import IMAGES, OTHER
from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.http.transfers import Download, Upload
from chat_service.model.errors import Code, not_found
from chat_service.rooms.filing import Filing
from chat_service.rooms.requests import Request

_REFUSES = (Code.NOT_FOUND,)
FileName = Annotated[str, Meta(min_length=1, max_length=1000, description="What the file is called.")]


class FileView(msgspec.Struct, kw_only=True):
    """An uploaded file; `size` in bytes, `width` and `height` in pixels. `thumbnail`: there is one."""

    id: str
    name: str
    type: str
    size: int
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    thumbnail: bool


class FileUsage(msgspec.Struct):
    """Bytes that the caller's files have, and that they may have."""

    used: int
    quota: int


class UploadQuery(Request):
    """What the file is called."""

    name: FileName


class FilesResource:
    """Endpoints below /files, and uploads below /rooms/{room}."""

    def __init__(self, filing: Filing) -> None:
        self._filing = filing

    async def upload_file(self, call: Call[Upload, UploadQuery]) -> FileView:
        """Take a file in."""
        row = await self._filing.upload(
            call.user, call.path["room"], call.query.name, call.body.chunks(), call.body.declared
        )
        return FileView(
            id=row.id,
            name=row.name,
            type=row.type,
            size=row.size,
            width=UNSET if row.width is None else row.width,
            height=UNSET if row.height is None else row.height,
            thumbnail=row.thumbnail,
        )

    async def download_file(self, call: Call[None, None]) -> Download:
        """Hand a file out: under its own type only what cannot run in a browser."""
        row = await self._filing.find(call.user, call.path["file"])
        shown = row.type in IMAGES
        content = self._filing.content(row, thumbnail=False)
        return Download(content, row.name, row.type if shown else OTHER, row.id, row.size, inline=shown)

    async def show_thumbnail(self, call: Call[None, None]) -> Download:
        """Hand a thumbnail out."""
        row = await self._filing.find(call.user, call.path["file"])
        if not row.thumbnail:
            raise not_found("This file has no thumbnail.")
        content = self._filing.content(row, thumbnail=True)
        return Download(content, f"{row.name}.webp", "image/webp", f"{row.id}.thumbnail", inline=True)

    async def take_file_back(self, call: Call[None, None]) -> None:
        """Remove an upload that no message brings."""
        await self._filing.take_back(call.user, call.path["file"])

    async def show_usage(self, call: Call[None, None]) -> FileUsage:
        """Show how much the caller keeps."""
        return FileUsage(*await self._filing.usage(call.user))

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (
            Endpoint(
                "POST",
                "/rooms/{room}/files",
                self.upload_file,
                "Upload a file for a message to a room: the body is its bytes",
                tag="files",
                body=Upload,
                query=UploadQuery,
                answer=FileView,
                status=201,
                refuses=(Code.FORBIDDEN, Code.NOT_FOUND, Code.TOO_LARGE, Code.QUOTA_EXCEEDED),
            ),
            Endpoint("GET", "/files/usage", self.show_usage, "See how much I keep", tag="files", answer=FileUsage),
            Endpoint(
                "GET",
                "/files/{file}",
                self.download_file,
                "Read a file",
                tag="files",
                answer=Download,
                refuses=_REFUSES,
            ),
            Endpoint(
                "GET",
                "/files/{file}/thumbnail",
                self.show_thumbnail,
                "Read the thumbnail of an image",
                tag="files",
                answer=Download,
                refuses=_REFUSES,
            ),
            Endpoint(
                "DELETE",
                "/files/{file}",
                self.take_file_back,
                "Take an upload back that no message brings yet",
                tag="files",
                refuses=(Code.NOT_FOUND, Code.CONFLICT),
            ),
        )

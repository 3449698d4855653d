"""Search: messages by what they say, who wrote them, where, and whether they bring a file."""

from typing import Annotated

from msgspec import Meta

from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.http.rate_limits import SEARCH_PER_USER
from chat_service.identity.limits import RateLimits
from chat_service.rooms.requests import Request
from chat_service.rooms.search_query import QUERY_MOST_CHARS, parse_query
from chat_service.rooms.searching import Hits, Searching

Query = Annotated[
    str,
    Meta(max_length=QUERY_MOST_CHARS, description='Words, "phrases", begin*, from:username, in:room, has:file.'),
]
Before = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,18}$", max_length=19, description="The `next` of the page before.")
]
_LARGEST_POSITION = 2**63 - 1
HitLimit = Annotated[int, Meta(ge=1, le=50, description="Most messages to return.")]


class SearchQuery(Request):
    """What is looked for."""

    q: Query
    before: Before | None = None
    limit: HitLimit = 20


class SearchResource:
    """The endpoint /search."""

    def __init__(self, searching: Searching, limits: RateLimits) -> None:
        self._searching = searching
        self._limits = limits

    async def search_messages(self, call: Call[None, SearchQuery]) -> Hits:
        """Find messages."""
        asked = parse_query(call.query.q)
        self._limits.check(SEARCH_PER_USER, call.user)
        before = None if call.query.before is None else min(int(call.query.before), _LARGEST_POSITION)
        return await self._searching.search(call.user, asked, before, call.query.limit)

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (
            Endpoint(
                "GET",
                "/search",
                self.search_messages,
                "Find messages in the rooms that I may read, newest first",
                tag="search",
                query=SearchQuery,
                answer=Hits,
            ),
        )

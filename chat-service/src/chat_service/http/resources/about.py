"""About the service: what a client has to know before anybody signs in."""

import msgspec

from chat_service.http.endpoints import Access, AnyEndpoint, Call, Endpoint
from chat_service.identity.policy import Registration


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come (`registration`, `guests`), and how large what they write may be."""

    version: str
    registration: Registration
    guests: bool
    max_message_chars: int
    max_file_bytes: int
    max_files_per_message: int


class AboutResource:
    """The endpoint /about."""

    def __init__(self, about: About) -> None:
        self._about = about

    async def show_about(self, call: Call[None, None]) -> About:
        """Show what the service is set to."""
        del call
        return self._about

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (
            Endpoint(
                "GET",
                "/about",
                self.show_about,
                "Who may come, and how large what they write may be",
                tag="about",
                access=Access.ANYBODY,
                answer=About,
            ),
        )

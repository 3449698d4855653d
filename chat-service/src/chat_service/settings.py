"""Settings: every CHAT_* variable with its type, bounds, meaning and default."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from secrets import token_hex
from typing import Literal, Self

from chat_service import environment
from chat_service.environment import Rule, generated, setting
from chat_service.rate import Rate
from chat_service.secret import Secret

_DAY_S = 86_400
_MIB = 1024 * 1024
_DATA_DIR = Path("data")
_MANY = 10_000_000
_ORIGIN = r"https?://[^\s/?#]+"
_SIGNING_KEY = r"[\w.-]+:[\w+/-]{43,}={0,2}"  # 43 base64 letters are 32 bytes


def new_node_id() -> str:
    """Name this process among the nodes: the host's name, and a tail that no other process has."""
    host = "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname().split(".")[0].lower())
    return f"{host[:40].strip('-') or 'node'}-{token_hex(4)}"


# What each heading of docs/settings.md begins with; the fields below stand in this order.
SECTIONS = {
    "host": "Addresses",
    "data_dir": "The node",
    "mongodb_uri": "Several nodes",
    "registration": "People",
    "token_keys": "Tokens",
    "drain_notice_s": "Stopping",
    "ping_interval_ms": "Time limits of connections",
    "max_frame_bytes": "Sizes",
    "send_buffer_low_bytes": "Slow readers",
    "resume_max_entries": "Rooms",
    "jobs": "Jobs",
    "max_connections": "Counts and rates",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one process of the service is told from outside; the end of a name is its unit.

    A setting is one declaration here: its variable, its check and its row in docs/settings.md follow from it.
    """

    host: str = setting("127.0.0.1", "Address of HTTP and Socket.IO; 0.0.0.0 is all.", like="0.0.0.0 or ::")
    port: int = setting(8000, "Port of HTTP and Socket.IO.", between=(1, 65_535))
    metrics_host: str = setting("127.0.0.1", "Address of /metrics; 0.0.0.0 is all.", like="0.0.0.0 or ::")
    metrics_port: int = setting(9464, "Port of /metrics; 0 turns it off.", between=(0, 65_535))
    public_url: str | None = setting(
        None,
        "Where people reach the service, for links; empty: host and port.",
        like="https://chat.example.org",
        pattern=_ORIGIN + r"(/[^\s?#]*)?",
    )
    cors_origins: tuple[str, ...] = setting(
        ("*",),
        "Origins whose pages may use the service, separated by commas; * is any.",
        like="* or https://chat.example.org,https://example.org",
        pattern=rf"\*|{_ORIGIN}",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        (), "Networks whose X-Forwarded-For is believed, separated by commas.", like="10.0.0.0/8,fd00::/8"
    )

    data_dir: Path = setting(_DATA_DIR, "Folder of the embedded store and of files.", like="./data")
    files_url: str | None = setting(
        None,
        "Bucket of uploaded files, with the cloud's own credentials; empty: `files` in the data folder.",
        like="s3://bucket/chat, gs://bucket/chat or az://container/chat",
        pattern=r"(s3|gs|az|file)://[^\s]+",
    )
    files_quota_bytes: int = setting(1024 * _MIB, "Files that a person may keep.", between=(0, 2**50))
    files_guest_quota_bytes: int = setting(50 * _MIB, "Files that a guest may keep.", between=(0, 2**50))
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "Least level that is logged.")
    log_format: Literal["auto", "json", "console"] = setting("auto", "auto: console on a terminal, else json.")
    node_id: str = generated(
        new_node_id,
        "Name of this process; no other running one may have it.",
        like="chat-0",
        pattern=r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    )

    mongodb_uri: Secret | None = setting(
        None,
        "MongoDB that all nodes share, with the database's name; empty: SQLite in the data folder.",
        like="mongodb://user:password@host:27017/chat?replicaSet=rs0",
        pattern=r"mongodb(\+srv)?://\S+/[^\s/?]+(\?\S*)?",
    )
    mongodb_tls_ca: Path | None = setting(
        None, "File of the authorities for MongoDB's certificate, in PEM.", like="/etc/mongodb/ca.crt"
    )
    redis_urls: Secret | None = setting(
        None,
        "Redis that carries messages between the nodes; several share the load, separated by commas.",
        like="rediss://user:password@host:6379,rediss://user:password@other:6379",
        pattern=r"rediss?://[^\s,]+(,rediss?://[^\s,]+)*",
    )
    redis_tls_ca: Path | None = setting(
        None, "File of the authorities for Redis's certificate, in PEM.", like="/etc/redis/ca.crt"
    )

    registration: Literal["open", "invite", "closed"] = setting("open", "Who registers: all, the invited, nobody.")
    guests: bool = setting(True, "Whether people may come without an account.")
    legacy_protocol: bool = setting(True, "Whether the original protocol is served on the namespace `/`.")

    token_keys: Secret | None = setting(
        None,
        "Keys of access tokens: the first signs, each verifies; empty: made once and kept in the store.",
        like="kid:base64secret,oldkid:base64secret with secrets of at least 32 bytes",
        pattern=rf"{_SIGNING_KEY}(,{_SIGNING_KEY})*",
    )
    access_token_ttl_s: float = setting(900, "How long an access token is good.", between=(1, _DAY_S))
    refresh_token_ttl_s: float = setting(
        30 * _DAY_S, "How long a session lasts without being used.", between=(1, 400 * _DAY_S)
    )

    drain_notice_s: float = setting(5, "How long a stopping node serves everything.", between=(0, 600))
    drain_close_s: float = setting(10, "Over how long it closes its connections.", between=(0, 3600))
    stop_timeout_s: float = setting(30, "When it ends whatever is left.", between=(1, 7200))

    ping_interval_ms: int = setting(25_000, "Time between two pings.", between=(100, 600_000))
    ping_timeout_ms: int = setting(20_000, "How long a ping may stay unanswered.", between=(100, 600_000))
    connect_timeout_s: float = setting(45, "How long a connection may join no namespace.", between=(0.1, 600))
    send_timeout_s: float = setting(1.5, "How long a write may wait for the store.", between=(0.1, 600))

    max_frame_bytes: int = setting(131_072, "Largest frame or packet accepted.", between=(1024, 64 * _MIB))
    max_body_bytes: int = setting(_MIB, "Largest body of a REST request.", between=(1024, 64 * _MIB))
    max_file_bytes: int = setting(25 * _MIB, "Largest file that is uploaded.", between=(1, 4096 * _MIB))
    max_message_chars: int = setting(8000, "Longest message.", between=(1, 1_000_000))

    send_buffer_low_bytes: int = setting(
        65_536, "With less than this waiting, a cut connection is caught up.", between=(1024, 1024 * _MIB)
    )
    send_buffer_high_bytes: int = setting(
        262_144,
        "With more than this waiting, a connection's live entries are cut.",
        between=(1024, 1024 * _MIB),
    )
    send_buffer_max_bytes: int = setting(
        4 * _MIB, "With more than this waiting, a connection is closed.", between=(1024, 1024 * _MIB)
    )
    slow_reader_timeout_s: float = setting(30, "How long a connection may stay cut.", between=(0.1, 3600))

    resume_max_entries: int = setting(1000, "Who missed more gets the newest page.", between=(1, 1_000_000))
    page_entries: int = setting(200, "Largest page of a room's entries.", between=(1, 10_000))
    ring_entries: int = setting(256, "Newest entries of an open room in memory.", between=(1, 100_000))
    writer_queue_max_entries: int = setting(10_000, "Writes that may wait for the store.", between=(1, _MANY))

    jobs: Literal["auto", "on", "off"] = setting(
        "auto", "Whether `serve` runs jobs; auto: unless CHAT_REDIS_URLS is set. `worker` always does."
    )
    jobs_concurrency: int = setting(16, "Jobs that a process has in hand at once.", between=(1, 1000))
    jobs_stalled_s: float = setting(
        30, "Without a word for so long, a worker's jobs are given to another one.", between=(1, 600)
    )
    retention_days: int = setting(
        0, "Messages of any room are removed after so many days; 0 keeps them.", between=(0, 36_500)
    )
    webhook_allowed_networks: tuple[IPv4Network | IPv6Network, ...] = setting(
        (),
        "Networks that webhooks may reach beside public addresses, separated by commas.",
        like="10.20.0.0/16,fd00:20::/32",
    )
    webhook_timeout_s: float = setting(10, "How long a receiver may take to answer.", between=(0.1, 120))
    webhook_attempts: int = setting(15, "Attempts after which a delivery is given up.", between=(1, 1000))
    webhook_retry_first_s: float = setting(5, "Pause before the second attempt; it doubles.", between=(0.01, 3600))
    webhook_retry_most_s: float = setting(3600, "Longest pause between two attempts.", between=(0.01, _DAY_S))
    webhook_max_age_s: float = setting(
        _DAY_S, "Time since the first attempt after which a delivery is given up.", between=(1, 30 * _DAY_S)
    )

    max_connections: int = setting(20_000, "Connections of this node.", between=(1, _MANY))
    max_connections_per_address: int = setting(200, "Connections of an address, on this node.", between=(1, _MANY))
    max_connections_per_user: int = setting(20, "Connections of a person, on this node.", between=(1, _MANY))
    max_inflight_events: int = setting(256, "Unacknowledged events of a connection.", between=(1, 1_000_000))
    rate_send_per_user: Rate = setting(Rate(50, 1, 200), "Writes of a person, on this node.")
    rate_send_per_room: Rate = setting(Rate(500, 1, 2000), "Writes to a room, on this node.")
    rate_events_per_address: Rate = setting(Rate(500, 1, 2000), "Socket events of an address, on this node.")
    rate_rest_per_address: Rate = setting(Rate(100, 1, 400), "REST requests of an address, on this node.")
    rate_search_per_user: Rate = setting(Rate(5, 1, 20), "Searches of a person, on this node.")
    rate_connect_per_address: Rate = setting(Rate(50, 1, 200), "New connections of an address, on this node.")
    signin_attempts: Rate = setting(Rate(10, 900, 10), "Failed sign-ins of an account, and of an address.")
    register_attempts: Rate = setting(Rate(10, 3600, 10), "Registrations of an address.")
    guest_attempts: Rate = setting(Rate(60, 3600, 60), "Guests who come from an address.")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the CHAT_* variables; raises `environment.SettingsError` with every problem at once."""
        return environment.read(cls, environ, RULES)


RULES = (
    Rule(
        ("send_buffer_low_bytes", "send_buffer_high_bytes", "send_buffer_max_bytes"),
        lambda low, high, most: low < high <= most,
        "each to be larger than the one before",
    ),
    Rule(
        ("drain_notice_s", "drain_close_s", "stop_timeout_s"),
        lambda notice, close, stop: notice + close < stop,
        "the last to be longer than the first two together",
    ),
    Rule(
        # A character takes up to 12 bytes in JSON: two escapes of six.
        ("max_message_chars", "max_frame_bytes"),
        lambda chars, frame: chars * 12 <= frame,
        "a frame of 12 bytes for each character of a message",
    ),
    Rule(
        ("max_frame_bytes", "send_buffer_max_bytes"),
        lambda frame, most: frame <= most,
        "room for one frame in the send buffer",
    ),
    Rule(
        ("redis_urls", "mongodb_uri"),
        lambda redis, mongodb: redis is None or mongodb is not None,
        "a MongoDB that the nodes share where they share Redis",
    ),
    Rule(
        ("webhook_retry_first_s", "webhook_retry_most_s"),
        lambda first, most: first <= most,
        "the longest pause to be no shorter than the first",
    ),
    Rule(("port", "metrics_port"), lambda port, metrics: port != metrics, "two different ports"),
)

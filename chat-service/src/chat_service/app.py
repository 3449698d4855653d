"""The composition root: settings in, a wired application out. The only file that knows every room."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import structlog

from chat_service.admission import Admission
from chat_service.background import Background, open_background, serves_jobs
from chat_service.bus import Bus
from chat_service.bus.local import LocalBus
from chat_service.engine import EngineOptions, Limits
from chat_service.files.objects import Objects
from chat_service.files.service import FileLimits, Files
from chat_service.http.application import HttpDependencies, build
from chat_service.http.client_address import TrustedProxies
from chat_service.identity.limits import RateLimits
from chat_service.identity.policy import Policy, Registration
from chat_service.identity.profiles import MAX_BATCH
from chat_service.identity.service import Identity
from chat_service.lifecycle import Lifecycle, Node, StartError, Timing
from chat_service.model.errors import ChatError
from chat_service.observability.logging import configure_logging
from chat_service.observability.metrics import Metrics
from chat_service.realtime.events import ChatNamespace
from chat_service.realtime.legacy import LegacyNamespace
from chat_service.realtime.peer import SocketLimits
from chat_service.realtime.server import SocketServer
from chat_service.rooms.backoff import Backoff
from chat_service.rooms.delivery import DeliveryLimits
from chat_service.rooms.filing import Filing
from chat_service.rooms.indexing import Indexer
from chat_service.rooms.publishing import People
from chat_service.rooms.searching import Searching
from chat_service.rooms.service import Rooms
from chat_service.rooms.station import RoomsLimits, Station
from chat_service.rooms.vigilance import Vigilance
from chat_service.rooms.waiting import WriterLimits
from chat_service.settings import Settings
from chat_service.stores import Stores, open_stores
from chat_service.worker import Worker

START_PATIENCE_S = 60.0
"""How long a starting process waits for a database that several nodes share; who started it may try again."""

START_AGAIN_S = (0.5, 5.0)
"""First and longest pause between two attempts."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heart:
    """A store and what is built on it: enough for commands that do not serve."""

    stores: Stores
    identity: Identity
    rooms: Rooms
    filing: Filing
    files: Files
    indexer: Indexer
    searching: Searching
    background: Background
    vigilance: Vigilance
    limits: RateLimits

    async def close(self) -> None:
        """Stop whatever of it was started and close the store."""
        await self.background.stop(0)
        await self.vigilance.stop()
        await self.indexer.stop()
        await self.rooms.stop()
        await self.identity.stop()
        await self.files.close()
        await self.stores.database.close()


async def open_heart(settings: Settings, metrics: Metrics, *, exclusive: bool) -> Heart:
    """Open the stores, and wire identity and rooms on them. `exclusive` and what it raises: `open_stores`."""
    stores = await open_stores(settings, exclusive=exclusive)
    try:
        return await _heart_on(stores, settings, metrics)
    except BaseException:
        await stores.database.close()
        raise


async def _heart_on(stores: Stores, settings: Settings, metrics: Metrics) -> Heart:
    limits = _rate_limits(settings, metrics)
    policy = Policy(
        registration=Registration(settings.registration),
        guests=settings.guests,
        access_token_ttl_s=settings.access_token_ttl_s,
        refresh_token_ttl_s=settings.refresh_token_ttl_s,
        signin_attempts=settings.signin_attempts,
        register_attempts=settings.register_attempts,
        guest_attempts=settings.guest_attempts,
    )
    keys = None if settings.token_keys is None else settings.token_keys.current
    identity = await Identity.open(stores.people, stores.meta, policy, keys)
    files = Files(
        stores.files,
        Objects.open(settings.files_url, settings.data_dir / "files"),
        FileLimits(settings.max_file_bytes, settings.files_quota_bytes, settings.files_guest_quota_bytes),
        spool=settings.data_dir,
        clock_ms=_clock_ms,
    )
    people = _people(identity)
    incarnation = await stores.meta.incarnation()
    bus = _bus(settings, metrics, incarnation)
    rooms = Rooms(
        stores.log,
        stores.rooms,
        bus,
        people,
        files,
        station=Station(
            node=settings.node_id,
            incarnation=incarnation,
            digest_secret=await stores.meta.secret("digest", partial(secrets.token_bytes, 32)),
            clock_ms=_clock_ms,
        ),
        limits=_rooms_limits(settings, limits),
        metrics=metrics,
    )
    filing = Filing(files, stores.log, rooms.browsing, _clock_ms)
    indexer = Indexer(stores.log, stores.texts, rooms.reader, rooms.active)
    searching = Searching(stores.texts, stores.rooms, rooms.browsing, people)
    background = open_background(
        settings, stores, rooms, metrics, world=incarnation, version=version("chat-service")
    )
    _tell_of_writes(rooms, indexer, background)
    vigilance = _vigilance(settings, bus, stores, rooms, indexer, background)
    return Heart(stores, identity, rooms, filing, files, indexer, searching, background, vigilance, limits)


def _vigilance(
    settings: Settings, bus: Bus, stores: Stores, rooms: Rooms, indexer: Indexer, background: Background
) -> Vigilance:
    """Have this node make up for what the bus or a peer that died did not tell it."""

    async def look_again() -> None:
        indexer.look_again()
        background.runner.look_again()

    vigilance = Vigilance(
        bus,
        stores.nodes,
        settings.node_id,
        clock_ms=_clock_ms,
        check_tails=rooms.delivery.check_tails,
        heals=(rooms.heal, look_again),
    )
    if settings.redis_urls is not None:  # nobody else hears what is asked on the bus of one process
        rooms.handovers.is_live = vigilance.is_live
    return vigilance


def _tell_of_writes(rooms: Rooms, indexer: Indexer, background: Background) -> None:
    """Have the index and jobs know at once of what is written; without it they would find it later."""

    def wrote(room: str) -> None:
        indexer.note(room)
        background.runner.note(room)

    rooms.publisher.wrote = wrote
    rooms.heard = background.runner.note


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop. Raises StartError where it cannot even begin."""
    configure_logging(settings.log_level, settings.log_format, settings.node_id)
    await _patiently(settings, lambda: _serve(settings))


async def work(settings: Settings) -> None:
    """Run jobs until told to stop, beside whatever serves. Raises StartError where it cannot even begin."""
    configure_logging(settings.log_level, settings.log_format, settings.node_id)
    await _patiently(settings, lambda: _work(settings))


async def _patiently(settings: Settings, run: Callable[[], Awaitable[None]]) -> None:
    """Begin again for START_PATIENCE_S where a database does not answer that comes up on its own."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_PATIENCE_S
    backoff = Backoff(*START_AGAIN_S)
    while True:
        try:
            return await run()
        except StartError as problem:
            if not problem.retryable or settings.mongodb_uri is None or loop.time() >= deadline:
                raise
            log.warning("start.waits", reason=str(problem))
        await asyncio.sleep(backoff.failed())


async def _serve(settings: Settings) -> None:
    metrics = Metrics()
    lifecycle = Lifecycle(_timing(settings), metrics)
    try:
        heart = await open_heart(settings, metrics, exclusive=True)
    except (ChatError, RuntimeError, OSError, ValueError) as problem:
        raise StartError.because(problem) from problem
    node = wire(settings, metrics, heart, lifecycle)
    try:
        await lifecycle.run(node)
    except StartError:
        await heart.close()
        raise


async def _work(settings: Settings) -> None:
    metrics = Metrics()
    try:
        heart = await open_heart(settings, metrics, exclusive=False)
    except (ChatError, RuntimeError, OSError, ValueError) as problem:
        raise StartError.because(problem) from problem
    worker = Worker(
        heart.stores,
        heart.rooms,
        heart.indexer,
        heart.background,
        heart.vigilance,
        metrics,
        listen=(settings.metrics_host, settings.metrics_port),
        stop_timeout_s=settings.stop_timeout_s,
    )
    try:
        await worker.run()
    except (ChatError, OSError) as problem:
        raise StartError(str(problem)) from problem
    finally:
        await heart.close()


def wire(settings: Settings, metrics: Metrics, heart: Heart, lifecycle: Lifecycle) -> Node:
    """Build everything that serves on top of the heart."""
    limits = heart.limits
    proxies = TrustedProxies(settings.trusted_proxies)
    admission = Admission(settings, limits, proxies, lifecycle, metrics)
    sockets = SocketServer(
        options=EngineOptions(
            limits=_engine_limits(settings),
            # Tokens come in CONNECT's payload and never from a cookie: a page of any origin gains nothing.
            origins=("*",) if settings.legacy_protocol else settings.cors_origins,
            admit=admission.refusal,
            client_address=proxies.client_address,
        ),
        limits=SocketLimits(max_in_flight=settings.max_inflight_events),
    )
    admission.engine = sockets.engine
    chat = ChatNamespace(
        heart.rooms,
        heart.identity.sessions,
        limits,
        max_message_chars=settings.max_message_chars,
        max_connections_per_user=settings.max_connections_per_user,
    )
    chat.watch(heart.identity.revocations)
    sockets.register("/chat", chat)
    if settings.legacy_protocol:
        legacy = LegacyNamespace(heart.rooms, limits, max_message_chars=settings.max_message_chars)
        sockets.register("/", legacy)
    application = build(
        HttpDependencies(
            settings=settings,
            identity=heart.identity,
            rooms=heart.rooms,
            filing=heart.filing,
            searching=heart.searching,
            webhooks=heart.background.webhooks,
            limits=limits,
            proxies=proxies,
            health=lifecycle,
            version=version("chat-service"),
        )
    )
    sockets.attach(application)
    metrics.connections.set_function(partial(len, sockets.engine.sessions))
    return Node(
        stores=heart.stores,
        identity=heart.identity,
        rooms=heart.rooms,
        filing=heart.filing,
        files=heart.files,
        indexer=heart.indexer,
        background=heart.background,
        vigilance=heart.vigilance,
        works=serves_jobs(settings),
        sockets=sockets,
        chat=chat,
        application=application,
        listen=(settings.host, settings.port),
        metrics_listen=(settings.metrics_host, settings.metrics_port),
    )


async def migrate(settings: Settings) -> list[str]:
    """Bring the store up to date; returns the names of the migrations applied now."""
    stores = await open_stores(settings, exclusive=False)
    await stores.database.close()
    return stores.migrated


def _bus(settings: Settings, metrics: Metrics, world: str) -> Bus:
    """What connects this node with the others of its world: nothing but itself where no Redis is named."""
    urls = settings.redis_urls
    if urls is None:
        return LocalBus(node=settings.node_id)
    # Only who uses Redis loads its parser.
    from chat_service.bus.redis import RedisBus  # noqa: PLC0415
    from chat_service.bus.redis_endpoints import parse_endpoints  # noqa: PLC0415

    return RedisBus(
        lambda: parse_endpoints(urls.current()),
        node=settings.node_id,
        world=world,
        metrics=metrics,
        tls_ca=settings.redis_tls_ca,
    )


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _people(identity: Identity) -> People:
    """What rooms ask of identity; a batch of writes can mention more people than one look-up takes."""

    async def ids(handles: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for some in _batches(handles):
            found |= await identity.profiles.ids_by_handles(some)
        return found

    async def names(users: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for some in _batches(users):
            profiles = await identity.profiles.by_ids(some)
            found |= {user: profile.name for user, profile in profiles.items() if profile.active}
        return found

    return People(ids=ids, names=names)


def _batches(asked: Collection[str]) -> Iterator[list[str]]:
    everything = list(asked)
    for start in range(0, len(everything), MAX_BATCH):
        yield everything[start : start + MAX_BATCH]


def _rate_limits(settings: Settings, metrics: Metrics) -> RateLimits:
    return RateLimits(
        {
            "send_per_user": settings.rate_send_per_user,
            "send_per_room": settings.rate_send_per_room,
            "events_per_address": settings.rate_events_per_address,
            "rest_per_address": settings.rate_rest_per_address,
            "search_per_user": settings.rate_search_per_user,
            "connect_per_address": settings.rate_connect_per_address,
        },
        refused=lambda limit: metrics.rate_limited.labels(limit).inc(),
    )


def _rooms_limits(settings: Settings, limits: RateLimits) -> RoomsLimits:
    return RoomsLimits(
        writes_of=partial(limits.check, "send_per_room"),
        writer=WriterLimits(settings.writer_queue_max_entries, settings.send_timeout_s),
        delivery=DeliveryLimits(
            ring_entries=settings.ring_entries,
            page_entries=settings.page_entries,
            resume_max_entries=settings.resume_max_entries,
        ),
    )


def _engine_limits(settings: Settings) -> Limits:
    return Limits(
        ping_interval=settings.ping_interval_ms / 1000,
        ping_timeout=settings.ping_timeout_ms / 1000,
        max_payload=settings.max_frame_bytes,
        high_water=settings.send_buffer_high_bytes,
        low_water=settings.send_buffer_low_bytes,
        hard_limit=settings.send_buffer_max_bytes,
        slow_reader_timeout=settings.slow_reader_timeout_s,
        connect_timeout=settings.connect_timeout_s,
        close_timeout=_timing(settings).patience_s,
    )


def _timing(settings: Settings) -> Timing:
    return Timing(settings.drain_notice_s, settings.drain_close_s, settings.stop_timeout_s)

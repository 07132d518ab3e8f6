"""The one place that wires: from settings to rooms, from rooms to a running city, and back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pintu.city_words import codes_of, unknown_words, words_of_rows
from pintu.kernel.access import Gate
from pintu.kernel.analytics.opening import open_history
from pintu.kernel.audit import Audit
from pintu.kernel.calling import Caller
from pintu.kernel.clock import Clock, parse_clock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.errors import Unavailable
from pintu.kernel.exchange import DataSet, Exchange, Readable
from pintu.kernel.exchange.agreements.opening import open_agreements
from pintu.kernel.exchange.correcting import Correcting
from pintu.kernel.exchange.finding.wiring import open_finding
from pintu.kernel.exchange.gate import ExchangeGate
from pintu.kernel.exchange.gate.opening import join_gate
from pintu.kernel.exchange.nodes.opening import open_nodes
from pintu.kernel.exchange.tables import TableProvider
from pintu.kernel.federation.opening import open_federation
from pintu.kernel.feed import Feed
from pintu.kernel.identity import Identity, People
from pintu.kernel.identity.delegating import Delegations
from pintu.kernel.identity.glass import BreakGlass
from pintu.kernel.identity.keys import Keys
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.oidc.issuers import Issuers
from pintu.kernel.identity.oidc.provider import Provider
from pintu.kernel.identity.oidc.signing import TokenKey
from pintu.kernel.identity.oidc.words import read_issuers
from pintu.kernel.identity.signing_in import SignIn
from pintu.kernel.intake import Intake, SocketServer, socket_server
from pintu.kernel.intake.runs import Runs
from pintu.kernel.jsonld import ContextLibrary
from pintu.kernel.limits.opening import open_limits
from pintu.kernel.linkage.acting import Guard
from pintu.kernel.linkage.linkage import Linkage
from pintu.kernel.operations import Commands, Patience
from pintu.kernel.operations.opening import open_operations
from pintu.kernel.operations.rules import read_rule
from pintu.kernel.store.opening import CITY_FILE, open_store
from pintu.kernel.store.pausing import Pausable
from pintu.kernel.store.port import Store
from pintu.kernel.store.sqlite import open_sqlite
from pintu.kernel.subscriptions.opening import open_subscriptions
from pintu.kernel.subscriptions.ways import open_delivery
from pintu.kernel.tables import CityTables, open_tables
from pintu.kernel.timers import Timers
from pintu.kit.analyses import Ask, PieceAnalyses
from pintu.kit.manifest import Manifest, demo_settings, find_pieces
from pintu.kit.work import PieceWork
from pintu.leading import Leading
from pintu.relaying import open_relay
from pintu.restored import QUIET, find_restored, is_quiet, settled
from pintu.settings import Settings, store_changed
from pintu.web.metrics.screens import Counted
from pintu.web.neighbours import open_neighbourhood
from pintu.web.notifying import writer
from pintu.web.rooms import Rooms
from pintu.web.source_notices import publish_through

log = logging.getLogger("pintu.city")


@dataclass(slots=True)
class City:
    """Rooms that are open: started in order, closed in the opposite one."""

    rooms: Rooms
    tables: CityTables
    leading: Leading
    first_token: str | None = None  # the administrator's, when this start made it

    @classmethod
    async def open(
        cls, settings: Settings, *, socket: bool = False, leads: bool = True, session: str = ""
    ) -> City:
        """Build every room and start what runs by itself; with `socket` also the field's door.

        Without `leads` another broker of this city runs all that: this one answers, and counts.
        `session`: how a broker among several calls its sessions on the store's server.
        """
        tables = open_tables(settings.data, settings.store, called=session)
        try:
            clock = clock_of(settings)
            opened = await open_store(
                settings.store, settings.data, clock=clock, patience_s=None,
                session=session,
            )  # fmt: skip
            moved = store_changed(settings, os.environ)
            store = Pausable(opened, moved)
            if moved():
                await store.close()
                raise Unavailable("The city has moved to another store: it starts there")
            rooms = build(settings, tables, store)
            city = cls(rooms, tables, Leading(rooms, tables))
            await _after_restore(rooms)
            if is_quiet(settings.data):  # a copy beside its original runs nothing by itself
                log.warning(QUIET)
                city.first_token, leads = rooms.identity.ensure_admin(settings.token_file), False
            if leads:
                await city.lead(socket=socket)
            elif rooms.audit is not None:
                await rooms.audit.start_counting()
            return city
        except BaseException:
            tables.close()
            raise

    async def lead(self, *, socket: bool = False) -> None:
        """Start what runs by itself, once a city."""
        self.first_token = self.rooms.identity.ensure_admin(self.rooms.settings.token_file)
        await self.leading.start()
        if socket:
            await self.leading.open_doors(open_field_door)

    def application(self) -> Any:
        """The whole city as one ASGI application: pages, API and NGSI-LD."""
        from pintu.web.app import build_app

        return Counted(build_app(self.rooms), self.rooms.meter)

    async def close(self) -> None:
        """Stop listening, finish what is queued, let go of every file."""
        rooms = self.rooms
        await self.leading.stop()
        audit = (rooms.audit.stop,) if rooms.audit is not None else ()
        calls = (rooms.caller.close,) if rooms.caller is not None else ()
        for stop in (*calls, *audit, rooms.store.close):
            with contextlib.suppress(asyncio.CancelledError):
                await stop()
        rooms.library.save()
        self.tables.close()


async def _after_restore(rooms: Rooms) -> None:
    """The first start out of a backup: what was under way then is nobody's promise any more."""
    told = find_restored(rooms.settings.data)
    if told is not None and not told.get("commands_marked"):
        count = await rooms.commands.forget_way()
        log.warning("Restored as of %s: %d commands were under way", told.get("as_of"), count)
        settled(rooms.settings.data)


def clock_of(settings: Settings) -> Clock:
    """The city's clock."""
    return parse_clock(settings.clock)


def build(
    settings: Settings, tables: CityTables | None = None, store: Store | None = None
) -> Rooms:
    """Every room of one city, wired; needs a running event loop and starts nothing. Without a
    store of its own it opens SQLite's.

    Raises ConfigurationError with the mistakes of pieces, DiskFull for a folder not to be written.
    """
    data = settings.data
    tables = tables or open_tables(data, settings.store)
    clock = clock_of(settings)
    egress = egress_of(settings)
    library = ContextLibrary(data / "contexts", egress=egress, clock=clock)
    identity = identity_of(settings, tables, clock)
    gate = ExchangeGate(identity.gate, clock=clock, open_access=settings.open)
    pieces = find_pieces() if settings.pieces else []
    store = store or open_sqlite(data / CITY_FILE, clock=clock)
    keys = Keys(data / "keys")
    strict, timers = settings.strict_tenants, Timers(tables, clock)
    configuration = configuration_of(settings, clock)
    rooms = Rooms(
        settings=settings,
        clock=clock,
        store=store,
        library=library,
        identity=identity,
        gate=gate,
        feed=Feed(store),
        timers=timers,
        intake=Intake(
            store, library, clock, tables, strict_tenants=strict, vocabulary=unknown_words
        ),
        commands=commands_of(settings, pieces, (tables, timers, clock, gate)),
        pieces=pieces,
        basemap=basemap_file(settings),
        configuration=configuration,
        egress=egress,
        caller=Caller(egress),
        runs=Runs(tables, clock),
        exchange=exchange_of(settings, (configuration, tables, pieces), (store, gate, clock)),
        tables=tables,
        work=PieceWork(pieces, tables, clock, tenants_of(pieces, settings)),
        keys=keys,
        audit=Audit(store, tables, keys, clock, name=log_name(settings)),
        people=identity.people,
    )
    open_telling(rooms, tables, gate)
    open_sharing(rooms, gate, tables, keys)
    rooms.limits = open_limits(rooms)
    return rooms


def open_telling(rooms: Rooms, tables: CityTables, gate: ExchangeGate) -> None:
    """Who else is asked, and who is told: sources of context, subscriptions and their delivery."""
    store, clock = rooms.store, rooms.clock
    rooms.federation = open_federation(
        tables, clock, rooms.caller, library=rooms.library, gate=gate
    )
    rooms.identity.brokers = rooms.federation.registry.named
    if rooms.federation.watchers is not None:
        rooms.federation.watchers.known = rooms.identity.standing
        publish_through(rooms.federation.watchers, rooms.egress)
    rooms.subscriptions = open_subscriptions(
        tables, store, clock, rooms.identity.standing, most=rooms.settings.subscriptions
    )
    rooms.delivery = open_delivery(rooms.subscriptions, rooms, writer(gate))


def open_sharing(rooms: Rooms, gate: ExchangeGate, tables: CityTables, keys: Keys) -> None:
    """The rooms that departments share through, and the gate told of them."""
    open_people(rooms, tables)
    open_finding(rooms, tables)
    rooms.agreements = open_agreements((tables, rooms.clock, rooms.timers, keys), rooms, codes_of)
    join_gate(gate, rooms.exchange, tables, keys, (rooms.agreements, rooms.audit))
    versions = rooms.schemas.version if rooms.schemas is not None else None
    gate.join(theirs=rooms.identity.people.theirs, codes=codes_of, versions=versions)
    open_linkage(rooms, tables)
    rooms.nodes = open_nodes(tables, rooms)
    rooms.neighbours = open_neighbourhood(rooms)
    if rooms.federation is not None and rooms.federation.offers is not None:
        gate.join(offered=rooms.federation.offers.decide)
    rooms.history = open_history(rooms, tables)
    rooms.analyses = analyses_of(rooms.pieces, rooms.settings, rooms.history.analyst.ask)
    rooms.operations = open_operations(rooms, tables)
    rooms.relay = open_relay(rooms)


def egress_of(settings: Settings) -> Egress:
    """Where the city may reach to; a copy beside its original reaches nobody."""
    shut = is_quiet(settings.data)
    return Egress(allow=settings.may_reach, allow_loopback=settings.open, shut=shut)


def identity_of(settings: Settings, tables: CityTables, clock: Clock) -> Identity:
    """Who may come in, as the city was started."""
    return Identity(
        tables,
        clock,
        open_access=settings.open,
        demo_tenant=settings.demo_tenant,
        trusted_proxies=settings.trusted_proxies,
        public_url=settings.public_url,
        people=People(tables, clock, shown=settings.demo_tenant if settings.demo else ""),
    )


def log_name(settings: Settings) -> str:
    """Whose log it is, as others know this node: its public host; "" leaves it to its key."""
    return urlsplit(settings.public_url or "").netloc


def open_linkage(rooms: Rooms, tables: CityTables) -> None:
    """Records that are one; what is corrected is corrected in the exchange's tables."""
    tabled = TableProvider(tables, rooms.clock, rooms.settings.tz)
    rows = Correcting(tabled, rooms.exchange.catalogue.get, rooms.clock)
    guard = Guard(gate=lambda: rooms.gate, rows=rows, audit=rooms.audit)
    rooms.linkage = Linkage(tables, rooms.clock, guard, rooms.timers)


def open_people(rooms: Rooms, tables: CityTables) -> None:
    """What people need besides their accounts; what they do is written to the log."""
    people = rooms.identity.people
    people.audit = rooms.audit
    rooms.notices = Notices(tables, rooms.clock, people)
    if rooms.audit is not None:
        rooms.audit.notices = rooms.notices
    rooms.sign_in = SignIn(tables, people, rooms.notices)
    rooms.glass = BreakGlass(people, rooms.notices)
    rooms.delegations = Delegations(people, rooms.notices)
    once = rooms.sign_in.once
    rooms.issuers = Issuers(read_issuers(rooms.settings.oidc)[0], people, once, rooms.egress)
    key = TokenKey(rooms.settings.data / "keys")
    rooms.provider = Provider(rooms.sign_in.tables, people, once, key)


def exchange_of(
    settings: Settings,
    known: tuple[Configuration, CityTables, list[Manifest]],
    rooms: tuple[Store, Gate, Clock],
) -> Exchange:
    """The register of data sets: those of the configuration and those that pieces declare."""
    configuration, tables, pieces = known
    declared = declared_sets(pieces, tenants_of(pieces, settings))
    store, gate, clock = rooms
    readable = Readable(store=store, gate=gate, clock=clock, words=words_of_rows, zone=settings.tz)
    tenant = settings.demo_tenant if settings.demo else ""
    return Exchange(configuration, tables, readable, declared=declared, tenant=tenant)


def commands_of(
    settings: Settings, pieces: list[Manifest], rooms: tuple[CityTables, Timers, Clock, Gate]
) -> Commands:
    """The ledger of commands, as patient as the pieces' manifests ask."""
    words = [(piece.name, one) for piece in pieces for one in piece.commands]
    rules = {(piece, one.name): read_rule(one.rules) for piece, one in words}
    kept_days = settings.command_days
    return Commands(*rooms, patience=patience(pieces), kept_days=kept_days, rules=rules)


def declared_sets(pieces: list[Manifest], tenants: dict[str, str]) -> list[DataSet]:
    """The data sets that pieces declare, called PIECE.NAME, of the tenant the piece writes to."""
    return [
        msgspec.structs.replace(
            one,
            name=f"{piece.name}.{one.name}",
            tenant=one.tenant or tenants.get(piece.name, piece.tenant),
        )
        for piece in pieces
        for one in piece.datasets
    ]


def analyses_of(pieces: list[Manifest], settings: Settings, ask: Ask) -> PieceAnalyses:
    """What the pieces ask of history as a whole."""
    told, tenants = settings.piece_settings, tenants_of(pieces, settings)
    return PieceAnalyses(pieces, ask, zone=settings.tz, told=told, tenants=tenants)


def tenants_of(pieces: list[Manifest], settings: Settings) -> dict[str, str]:
    """Piece → the tenant it writes to, where something says so besides its manifest."""
    found = {}
    for piece in pieces:
        beside_demo = demo_settings(piece, settings.port, settings.data) if settings.demo else {}
        told = {**beside_demo, **settings.piece_settings.get(piece.name, {})}
        if told.get("tenant"):
            found[piece.name] = str(told["tenant"])
    return found


def basemap_file(settings: Settings) -> Path:
    """GeoJSON to draw under the map: an operator's own, else what the demo city wrote."""
    own = settings.data / "basemap.geojson"
    return own if own.exists() else settings.data / "demo-basemap.geojson"


def patience(pieces: list[Manifest]) -> dict[str, Patience]:
    """How long each piece's commands may take, after its manifest."""
    return {
        piece.name: Patience(
            attempts=max(one.attempts for one in piece.commands),
            answer_s=max(one.answer_s or one.timeout_s for one in piece.commands),
        )
        for piece in pieces
        if piece.commands
    }


def configuration_of(settings: Settings, clock: Clock) -> Configuration:
    """What a town decided, its own words joined to the vocabulary: which is only read where there
    are some."""
    configuration = Configuration(settings.data / "config", clock)
    if configuration.list_saved("words"):
        from pintu.vocabulary import adopt_saved

        adopt_saved(configuration)
    return configuration


async def open_field_door(rooms: Rooms) -> SocketServer:
    """The Unix socket through which the field process hands in batches and gets commands."""
    path = rooms.settings.data / "broker.sock"
    return await socket_server(rooms.intake, rooms.commands, rooms.store, path)

"""The rooms a screen or a binding may use, handed in by `city.py`; the web wires nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pintu.web.batch_turns import BatchTurns
from pintu.web.metrics.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pintu.kernel.access import Gate
    from pintu.kernel.analytics.engines.words import Answer
    from pintu.kernel.analytics.history import History
    from pintu.kernel.audit import Audit
    from pintu.kernel.calling import Caller
    from pintu.kernel.clock import Clock
    from pintu.kernel.configuration import Configuration
    from pintu.kernel.egress import Egress
    from pintu.kernel.exchange import Exchange
    from pintu.kernel.exchange.agreements import Agreements
    from pintu.kernel.exchange.finding import Finder
    from pintu.kernel.exchange.nodes import Nodes
    from pintu.kernel.exchange.schemas import Schemas
    from pintu.kernel.federation import Federation
    from pintu.kernel.feed import Feed
    from pintu.kernel.identity import Identity, People
    from pintu.kernel.identity.delegating import Delegations
    from pintu.kernel.identity.glass import BreakGlass
    from pintu.kernel.identity.keys import Keys
    from pintu.kernel.identity.notices import Notices
    from pintu.kernel.identity.oidc.issuers import Issuers
    from pintu.kernel.identity.oidc.provider import Provider
    from pintu.kernel.identity.signing_in import SignIn
    from pintu.kernel.intake import Intake
    from pintu.kernel.intake.runs import Runs
    from pintu.kernel.jsonld import ContextLibrary
    from pintu.kernel.limits import Quotas
    from pintu.kernel.linkage.linkage import Linkage
    from pintu.kernel.operations import Commands
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.relay.room import RelayRoom
    from pintu.kernel.store.port import Past, Store
    from pintu.kernel.subscriptions.delivering import Delivery
    from pintu.kernel.subscriptions.keeping import Subscriptions
    from pintu.kernel.tables import CityTables
    from pintu.kernel.timers import Timers
    from pintu.kit.manifest import Manifest
    from pintu.kit.views import WorkList
    from pintu.settings import Settings
    from pintu.web.neighbours import Neighbourhood


class Work(Protocol):
    """What people of a city work through; every row has `id`, the columns and `actions`."""

    def lists(self, tenant: str) -> list[WorkList]:
        """The work lists about things of a tenant."""
        ...

    async def rows(
        self, work_list: str, *, limit: int = 200, offset: int = 0
    ) -> list[dict[str, Any]]:
        """One page of rows, most urgent first."""
        ...

    async def do(
        self, work_list: str, row: str, *, action: str, actor: str, note: str = ""
    ) -> dict[str, Any]:
        """One deed on one row; StateConflict when its state does not allow it."""
        ...


class Analyses(Protocol):
    """What pieces ask of history as a whole."""

    def analyses(self, tenant: str) -> Sequence[Any]:
        """Those about things of a tenant: each has `name`, `title`, `question`."""
        ...

    async def answer(
        self, place: tuple[int, str], name: str, span: tuple[int, int], ids: Sequence[str] = ()
    ) -> Answer:
        """The answer of one, for a tenant (number, name) and a span of time in µs."""
        ...


@dataclass(slots=True, kw_only=True)
class Rooms:
    """One running city, as the web sees it."""

    settings: Settings
    clock: Clock
    store: Store
    library: ContextLibrary
    identity: Identity
    gate: Gate
    feed: Feed
    timers: Timers
    intake: Intake
    commands: Commands
    configuration: Configuration  # what people of the town decided: DATA/config
    exchange: Exchange  # every data set there is, whoever holds it
    egress: Egress  # asked before any address that somebody typed
    runs: Runs  # loads from files and databases: asked for, running, done
    pieces: list[Manifest] = field(default_factory=list)
    basemap: Path | None = None  # GeoJSON under the map: water, roads, places; None: a graticule
    tables: CityTables | None = None  # handed on to doors that remember what they fetched
    work: Work | None = None  # the pieces' work lists; None: nobody works through anything
    schemas: Schemas | None = None  # every version a data set's columns had
    finder: Finder | None = None  # what was measured, and what is held twice
    keys: Keys | None = None  # what this node and its organisations sign with
    audit: Audit | None = None  # the sealed log
    agreements: Agreements | None = None  # who may see what of whom, until when
    nodes: Nodes | None = None  # neighbours: other departments and cities with a node of their own
    linkage: Linkage | None = None  # records that are one, objections to values
    people: People | None = None  # accounts and organisations; identity's own
    notices: Notices | None = None  # what somebody must hear of, until they saw it
    sign_in: SignIn | None = None  # passwords, passkeys, links
    glass: BreakGlass | None = None  # an emergency's look, never in silence
    delegations: Delegations | None = None  # who acts for whom
    issuers: Issuers | None = None  # houses whose accounts open doors here (OpenID Connect)
    provider: Provider | None = None  # programs that ask us who somebody is
    history: History | None = None  # packs, files and roll-ups of what happened; keeps `past`
    analyses: Analyses | None = None  # what pieces ask of all of it
    past: Past | None = None  # what happened to entities; None: read from the store's log
    federation: Federation | None = None  # other sources of context, registered here
    neighbours: Neighbourhood | None = None  # joined nodes as sources of context
    caller: Caller | None = None  # calls to addresses that somebody typed
    subscriptions: Subscriptions | None = None  # who asked to be told of changes
    delivery: Delivery | None = None  # tells them
    operations: OperationsRoom | None = None  # alerts to incidents, plans, orders, the roster
    meter: Meter = field(default_factory=Meter)  # what is counted of requests
    relay: RelayRoom | None = None  # joined to other cities by NATS
    batches: BatchTurns = field(default_factory=BatchTurns)  # whose is read now
    limits: Quotas | None = None  # what a tenant and a source may use
    draining: str = ""  # why this process takes no more for long; "" while it does

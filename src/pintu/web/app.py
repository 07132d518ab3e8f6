"""The screens as one ASGI application: pages, /api/v1, /events, health, and the static files."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

from pintu import __version__
from pintu.kernel.subscriptions.streaming import Streams
from pintu.web import failures, security, static_files
from pintu.web.api import acting, audit_rules, health, moving, oidc, push, reading, streams, uploads
from pintu.web.api import agreements as agreements_api
from pintu.web.api import analyses as analyses_api
from pintu.web.api import audit as audit_api
from pintu.web.api import catalogue as catalogue_api
from pintu.web.api import data_sets as data_sets_api
from pintu.web.api import demo as demo_api
from pintu.web.api import duty as duty_api
from pintu.web.api import events_plan as events_api
from pintu.web.api import exchange as exchange_api
from pintu.web.api import identity as identity_api
from pintu.web.api import incidents as incidents_api
from pintu.web.api import islands as islands_api
from pintu.web.api import linkage as linkage_api
from pintu.web.api import nodes as nodes_api
from pintu.web.api import orders as orders_api
from pintu.web.api import plays as plays_api
from pintu.web.api import replay as replay_api
from pintu.web.api import streets as streets_api
from pintu.web.api import warnings as warnings_api
from pintu.web.api.agreed_picture import AgreedPictures
from pintu.web.api.picture import Pictures
from pintu.web.api.replay_session import Replays
from pintu.web.events import Hub
from pintu.web.house import House, house_of
from pintu.web.metrics.watching import Watch
from pintu.web.pages import (
    account,
    account_glass,
    account_houses,
    agreements,
    agreements_new,
    agreements_one,
    audit_proof,
    auditing,
    board_edit,
    boards,
    connect,
    connect_mapping,
    data_sets,
    demo_people,
    duty,
    entity,
    events_plan,
    handover,
    incidents,
    incidents_one,
    islands,
    ledger,
    linkage,
    linkage_groups,
    linkage_objections,
    look_up,
    map,
    my_records,
    neighbours,
    nodes,
    notices,
    operations_settings,
    orders,
    orders_crews,
    orders_mine,
    orders_one,
    people,
    people_delegations,
    people_programs,
    plays,
    roster,
    roster_channels,
    roster_ways,
    schemas,
    session,
    subscriptions,
    things,
    vocabulary,
    where,
    work,
    work_list,
)
from pintu.web.pages import search as search_page
from pintu.web.pages import streets as streets_pages
from pintu.web.pages import warnings as warnings_pages
from pintu.web.pages.connect_looks import Looks
from pintu.web.same_routes import with_routes_of
from pintu.web.visit import AnyRequest
from pintu.web.wall import page as wall_page
from pintu.web.wall import reading as wall_reading
from pintu.web.wall import tiles as wall_tiles

if TYPE_CHECKING:
    from pintu.kernel.operations.ledger import Entry, Step
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.web")

PAGES: tuple[Any, ...] = (
    *plays.PAGES,
    *ledger.PAGES,
    *incidents.PAGES,
    *incidents_one.PAGES,
    *orders.PAGES,
    *orders_one.PAGES,
    *orders_crews.PAGES,
    *orders_mine.PAGES,
    *board_edit.PAGES,
    *boards.PAGES,
    *data_sets.PAGES,
    *islands.PAGES,
    *schemas.PAGES,
    agreements.agreements,
    *agreements_new.PAGES,
    *agreements_one.PAGES,
    *look_up.PAGES,
    *auditing.PAGES,
    *my_records.PAGES,
    *notices.PAGES,
    *nodes.PAGES,
    *subscriptions.PAGES,
    *neighbours.PAGES,
    *audit_proof.PAGES,
    *demo_people.PAGES,
    *connect.PAGES,
    *connect_mapping.PAGES,
    *vocabulary.PAGES,
    *wall_page.PAGES,
    map.city_map,
    map.alert_list,
    things.things,
    entity.entity_page,
    search_page.search,
    work_list.work_lists,
    work_list.work_list,
    work_list.deed,
    work.sources,
    work.quarantine,
    work.quarantined,
    work.pieces,
    *where.PAGES,
    *session.PAGES,
    *account_houses.PAGES,
    *people_delegations.PAGES,
    *people_programs.PAGES,
    *oidc.PAGES,
    *account.PAGES,
    *account_glass.PAGES,
    *people.PAGES,
    *linkage.PAGES,
    *linkage_groups.PAGES,
    *linkage_objections.PAGES,
    *duty.PAGES,
    *roster.PAGES,
    *roster_ways.PAGES,
    *roster_channels.PAGES,
    *operations_settings.PAGES,
    *handover.PAGES,
    *warnings_pages.PAGES,
    *streets_pages.PAGES,
    *events_plan.PAGES,
)
API: tuple[Any, ...] = (
    *identity_api.HANDLERS,
    *incidents_api.HANDLERS,
    *orders_api.HANDLERS,
    *plays_api.HANDLERS,
    *audit_api.HANDLERS,
    *audit_rules.HANDLERS,
    *agreements_api.HANDLERS,
    *linkage_api.HANDLERS,
    *exchange_api.HANDLERS,
    *nodes_api.HANDLERS,
    *warnings_api.HANDLERS,
    *events_api.HANDLERS,
    *duty_api.HANDLERS,
    *data_sets_api.HANDLERS,
    *demo_api.HANDLERS,
    *catalogue_api.HANDLERS,
    *islands_api.HANDLERS,
    *moving.HANDLERS,
    *wall_reading.HANDLERS,
    *wall_tiles.HANDLERS,
    *replay_api.HANDLERS,
    *analyses_api.HANDLERS,
    *streets_api.HANDLERS,
    reading.map_lamps,
    reading.map_base,
    reading.one_entity,
    reading.history,
    reading.alerts,
    reading.sources,
    reading.search,
    acting.ask,
    acting.commands_of,
    acting.quarantine,
    acting.retry,
    acting.drop,
    uploads.upload,
    push.push,
)


@get("/vocabulary/context.jsonld", summary="The vocabulary's @context", include_in_schema=False)
async def served_context(request: AnyRequest) -> Response[bytes]:
    """Public: words are no secret, and other brokers fetch it."""
    from pintu.web.pages.labels import context_bytes

    house_of(request)
    return Response(
        context_bytes(),
        media_type="application/ld+json",
        headers={"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"},
    )


def build_app(rooms: Rooms) -> Litestar:
    """One application over the rooms it is given; keeps nothing but what the screens look at."""
    pictures = Pictures(rooms)
    pictures.agreed = AgreedPictures(pictures)
    hub = Hub(rooms, pictures)
    replays = Replays(pictures)
    desk = push.Desk(rooms)
    house = House(rooms=rooms, pictures=pictures, hub=hub, looks=Looks())

    def on_step(entry: Entry, step: Step) -> None:
        told = {"id": step.command, "target": entry.command.target, "state": step.state}
        hub.command(entry.command.tenant, told)

    operations = rooms.operations
    if operations is not None and operations.duty is not None:
        operations.duty.listen(lambda ring: hub.duty(ring.tenant))
    if operations is not None and operations.notifier is not None:
        operations.notifier.sender.listen(lambda receipt: hub.duty(receipt.tenant))
    warming: list[asyncio.Task[Any]] = []

    async def warm() -> None:
        # The demo's first page should not wait; any other city pays only once somebody looks.
        tenant = rooms.store.tenant(rooms.settings.demo_tenant) if rooms.settings.demo else None
        if tenant is not None:
            warming.append(asyncio.create_task(pictures.of(tenant)))

    rooms.commands.listen(on_step)
    told = None if rooms.delivery is None else Streams(rooms.delivery)
    kept = {"house": house, "push": desk, streams.STREAMS: told, replay_api.REPLAYS: replays}
    made = _application([ngsi_ld(rooms)]) if rooms.settings.plain else _routes()
    watch = Watch(rooms)
    ends = [watch.stop, hub.close, replays.close, desk.close]
    return with_routes_of(made, kept, first=[warm, desk.start, watch.start], last=ends)


@cache
def _routes() -> Litestar:
    """What every application of this process has in common."""
    return _application([])


class _Screens(Litestar):
    """Litestar without its plugins for models of pydantic and attrs: ours are msgspec's, and
    loading the others takes 6 MB and a tenth of a second."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def _application(more: list[Any]) -> Litestar:
    """Every route there is, and `more`; nothing is kept in it."""
    handlers: list[Any] = [*PAGES, *static_files.HANDLERS, *exchange_api.PUBLIC, served_context]
    handlers += [health.healthz, health.readyz, health.metrics, reading.events]
    handlers.append(streams.entity_events)
    handlers.append(Router("/api/v1", route_handlers=list(API), tags=["Pintu"]))
    return _Screens(
        handlers + more,
        before_send=[security.headers],
        exception_handlers={Exception: failures.answer},
        openapi_config=OpenAPIConfig(
            title="Pintu",
            version=__version__,
            path="/api/v1",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        request_max_body_size=1_000_000,
        logging_config=None,
    )


async def end_streams(application: Any) -> None:
    """End every event stream of an application that `build_app` made; it takes no new ones."""
    await application.state["house"].hub.close()
    await application.state[replay_api.REPLAYS].close()
    if application.state[streams.STREAMS] is not None:
        application.state[streams.STREAMS].close()


def ngsi_ld(rooms: Rooms) -> Any:
    """NGSI-LD through plain ASGI, for a start without the fast lane."""
    from litestar import asgi

    from pintu.web.ngsi_ld import Broker
    from pintu.web.ngsi_ld import asgi as broker_app

    return asgi("/ngsi-ld", is_mount=True, copy_scope=True)(broker_app(Broker(rooms)))

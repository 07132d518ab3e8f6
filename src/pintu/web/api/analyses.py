"""/api/v1/analyses: what the pieces ask of the city's whole history, and the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Response, get
from litestar.params import Parameter

from pintu.kernel.errors import InvalidRequest, ResourceNotFound
from pintu.web.api.reading import as_json
from pintu.web.house import House, house_of
from pintu.web.rooms import Analyses
from pintu.web.visit import AnyRequest, Visit, enter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
MOST_IDS = 1_000


def asked_of(house: House, visit: Visit) -> Analyses:
    """Whoever answers; the same rule for all: it adds up everything of the tenant there is."""
    visit.whole_rows()
    if house.rooms.analyses is None:
        raise ResourceNotFound("This city has no history to be asked")
    return house.rooms.analyses


@get("/analyses", summary="What can be asked of history as a whole")
async def list_analyses(request: AnyRequest) -> Response[bytes]:
    """`name`, `title` in each language, `types` and `attributes` it is about."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    found = asked_of(house, visit).analyses(visit.tenant)
    return as_json(
        [
            {
                "name": one.name,
                "title": one.title,
                "types": list(one.question.types),
                "attributes": list(one.question.attributes),
            }
            for one in found
        ]
    )


@get("/analyses/{name:str}", summary="The answer to one of them, for a span of time")
async def one_analysis(
    request: AnyRequest,
    name: str,
    since: Annotated[str | None, Parameter(description="ISO 8601; default: a week before")] = None,
    until: Annotated[str | None, Parameter(description="ISO 8601; default: now")] = None,
    ids: Annotated[str, Parameter(description="of these alone, separated by commas")] = "",
) -> Response[bytes]:
    """`columns` by name, what `engine` computed them in how many `seconds` of how many rows `read`;
    `passed`: ways of writing rows that could not be counted."""
    house = house_of(request)
    visit = enter(request, house.rooms)
    analyses = asked_of(house, visit)
    last = _moment("until", until, house.rooms.clock.now_us())
    span = (_moment("since", since, last - 7 * DAY_US), last)
    wanted = [one for one in ids.split(",") if one]
    if len(wanted) > MOST_IDS:
        raise InvalidRequest(f"ids names {len(wanted)} things; at most {MOST_IDS} at once")
    found = await analyses.answer((visit.number, visit.tenant), name, span, wanted)
    told: dict[str, Any] = {
        "columns": found.columns, "engine": found.engine.partition(":")[0],
        "seconds": found.seconds, "read": found.read, "passed": found.passed,
    }  # fmt: skip
    return as_json(told)


def _moment(name: str, text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise InvalidRequest(f"{name} {text[:40]!r} is no ISO 8601 time") from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int((found - EPOCH).total_seconds() * 1_000_000)


HANDLERS = (list_analyses, one_analysis)

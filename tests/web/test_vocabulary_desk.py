"""The vocabulary desk: words are found, proposed, adopted, retired, and say who uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from pintu.vocabulary import adopt, vocabulary
from tests.web.conftest import HERE, sign_in
from tests.web.small_city import SmallCity


@pytest.fixture(autouse=True)
def no_town_words() -> Iterator[None]:
    yield
    adopt([])


async def post(client: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    return await client.post(path, data=form, headers={"origin": HERE})


def word(csrf: str, **changed: str) -> dict[str, str]:
    """A proposal as its form sends it."""
    return {
        "csrf": csrf,
        "type": "WaterLevelObserved",
        "label.zh": "水位观测",
        "label.en": "Water level observed",
        "rows": "1",
        "a.0.name": "waterLevel",
        "a.0.kind": "Property",
        "a.0.json": "number",
        "a.0.unit": "MTR",
        "state": "proposed",
        "version": "0",
    } | changed


async def test_every_type_has_a_page(page: httpx.AsyncClient) -> None:
    """Each word there is opens, with its attributes and who writes it."""
    listed = (await page.get("/vocabulary")).text
    names = set(re.findall(r'href="/vocabulary/types/(\w+)"', listed))
    assert {one.name for one in vocabulary().types()} == names
    for name in names:
        assert 200 == (await page.get(f"/vocabulary/types/{name}")).status_code, name
    shown = (await page.get("/vocabulary/types/Streetlight")).text
    assert "street_lights" in shown


@pytest.mark.parametrize("wish", ["路灯", "lamp", "亮度", "Streetlight"])
async def test_a_word_is_found_in_both_languages(page: httpx.AsyncClient, wish: str) -> None:
    """By its name, its meaning or an attribute, in Chinese or English."""
    found = (await page.get("/vocabulary", params={"q": wish})).text
    assert 'href="/vocabulary/types/Streetlight"' in found


async def test_what_nobody_means_is_said(page: httpx.AsyncClient) -> None:
    """An empty answer says what to do."""
    assert "propose it" in (await page.get("/vocabulary", params={"q": "zeppelin"})).text


async def test_a_word_is_proposed_adopted_and_retired(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """A proposal is no word of the city before it is adopted, nor after it is retired."""
    csrf = await sign_in(page, city)
    assert 200 == (await page.get("/vocabulary/propose")).status_code
    kept = await post(page, "/vocabulary/propose", **word(csrf))
    assert 303 == kept.status_code, kept.text[:500]
    assert vocabulary().find_type("WaterLevelObserved") is None
    await post(page, "/vocabulary/types/WaterLevelObserved/adopt", csrf=csrf)
    assert vocabulary().find_type("WaterLevelObserved") is not None
    assert "WaterLevelObserved" in (await page.get("/vocabulary/context.jsonld")).text
    await post(page, "/vocabulary/types/WaterLevelObserved/retire", csrf=csrf)
    assert vocabulary().find_type("WaterLevelObserved") is None
    shown = await page.get("/vocabulary/types/WaterLevelObserved")
    assert ["3", "2", "1"] == re.findall(r"version (\d)</b>", shown.text)


async def test_a_version_that_breaks_must_be_wanted(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """Of an adopted word another unit is refused until somebody says that it is meant."""
    csrf = await sign_in(page, city)
    await post(page, "/vocabulary/propose", **word(csrf))
    await post(page, "/vocabulary/types/WaterLevelObserved/adopt", csrf=csrf)
    changed = word(csrf, **{"a.0.unit": "CMT", "version": "2", "state": "adopted"})
    refused = await post(page, "/vocabulary/propose", **changed)
    assert 400 == refused.status_code
    assert "waterLevel" in refused.text
    kept = await post(page, "/vocabulary/propose", **changed, breaks_wanted="on")
    assert 303 == kept.status_code


async def test_a_wrong_word_comes_back_with_every_mistake(
    page: httpx.AsyncClient, city: SmallCity
) -> None:
    """Nothing is kept, and what was typed is still there."""
    csrf = await sign_in(page, city)
    wrong = word(csrf, type="Streetlight", **{"a.0.name": "Bad Name"})
    answer = await post(page, "/vocabulary/propose", **wrong)
    assert 400 == answer.status_code
    assert "built-in" in answer.text
    assert "Bad Name" in answer.text
    assert [] == city.rooms.configuration.list_saved("words")


async def test_a_model_begins_a_proposal(page: httpx.AsyncClient, city: SmallCity) -> None:
    """The Smart Data Models are found and fill the form, where their package is installed."""
    pytest.importorskip("pysmartdatamodels")
    await sign_in(page, city)
    found = await page.get("/vocabulary/propose", params={"find": "WaterObserved"})
    assert "dataModel.Environment/WaterObserved" in found.text.replace("%2F", "/")
    model = {"model": "dataModel.Environment/WaterObserved"}
    filled = await page.get("/vocabulary/propose", params=model)
    assert 'value="waterLevel"' in filled.text

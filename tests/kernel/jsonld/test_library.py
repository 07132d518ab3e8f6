"""The library of @contexts: fetched once, kept over a restart, counted, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from pintu.kernel.egress import Egress
from pintu.kernel.errors import (
    BadRequestData,
    LdContextNotAvailable,
    ResourceNotFound,
    TooLarge,
)
from pintu.kernel.jsonld import CORE, CORE_URL, ContextLibrary, fetching

PORT = 9111
BASE = f"http://127.0.0.1:{PORT}"


class Server:
    """Serves @contexts by path and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.documents: dict[str, bytes] = {}

    def put(self, path: str, context: object) -> str:
        """A document at a path; returns its URL."""
        self.documents[path] = orjson.dumps({"@context": context})
        return BASE + path

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one response."""
        path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1]
        self.asked.append(path)
        await asyncio.sleep(0.01)
        body = self.documents.get(path)
        status = b"404 Not Found" if body is None else b"200 OK"
        body = body or b""
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (status, len(body), body)
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """A server of @contexts on the loopback."""
    served = Server()
    async with await asyncio.start_server(served.answer, "127.0.0.1", PORT):
        yield served


@pytest.fixture
def library(tmp_path: Path) -> ContextLibrary:
    """A library that may reach the loopback."""
    return ContextLibrary(tmp_path / "contexts", egress=Egress(allow_loopback=True))


async def test_inline_and_core_contexts_need_no_waiting(library: ContextLibrary) -> None:
    """None and the core URL are the core itself; an object is compiled on the spot."""
    assert CORE is library.now(None)
    assert CORE is library.now(CORE_URL)
    assert CORE is library.now([CORE_URL])
    terms = library.now([{"a": "https://x.example/a"}, CORE_URL])
    assert terms is not None
    assert "https://x.example/a" == terms.stored("a")
    assert {"a": "https://x.example/a"} == terms.source
    assert terms is library.now([{"a": "https://x.example/a"}, CORE_URL])


async def test_a_remote_context_is_fetched_once(server: Server, library: ContextLibrary) -> None:
    """Twenty at once lead to one request, and later none."""
    url = server.put("/c", {"a": "https://x.example/a"})
    assert library.now(url) is None
    found = await asyncio.gather(*(library.terms(url) for _ in range(20)))
    assert {"https://x.example/a"} == {terms.stored("a") for terms in found}
    assert ["/c"] == server.asked
    assert library.now(url) is not None
    assert url == found[0].source


async def test_nested_remote_contexts_are_followed(server: Server, library: ContextLibrary) -> None:
    """A document may list others, relative to itself; all are fetched and kept."""
    server.put("/d/two", {"b": "https://x.example/b"})
    url = server.put("/d/one", ["two", {"a": "https://x.example/a"}, CORE_URL])
    terms = await library.terms([url, {"c": "https://x.example/c"}])
    assert ["https://x.example/b", "https://x.example/c"] == [terms.stored(n) for n in ("b", "c")]
    assert [url, {"c": "https://x.example/c"}] == terms.source
    assert ["/d/one", "/d/two"] == server.asked


async def test_circles_end(server: Server, library: ContextLibrary) -> None:
    """A document that includes itself, and two that include each other, are invalid, which is told
    again without fetching or reading them again."""
    server.put("/y", [f"{BASE}/x"])
    for url in (server.put("/self", ["self"]), server.put("/x", [f"{BASE}/y"])):
        for _ in range(3):
            with pytest.raises(BadRequestData, match="includes itself"):
                await library.terms(url)
    assert ["/self", "/x", "/y"] == sorted(server.asked)


async def test_unavailable_contexts_are_504(server: Server, library: ContextLibrary) -> None:
    """Missing, too large, forbidden: LdContextNotAvailable names the URL; what was had and is no
    @context is BadRequestData (5.5.6)."""
    server.documents["/text"] = b"hello"
    server.documents["/none"] = b"{}"
    server.documents["/big"] = b'{"@context": "' + b"x" * 1_000_001 + b'"}'
    for path in ("/missing", "/big"):
        with pytest.raises(LdContextNotAvailable, match=path):
            await library.terms(BASE + path)
    for path in ("/text", "/none"):
        with pytest.raises(BadRequestData, match=path):
            await library.terms(BASE + path)
    closed = ContextLibrary(egress=Egress())
    with pytest.raises(LdContextNotAvailable, match="may not be reached"):
        await closed.terms(server.put("/c", {}))
    assert 504 == LdContextNotAvailable.status


async def test_a_made_up_core_context_is_not_built_in(library: ContextLibrary) -> None:
    """It is a remote @context like any other, and here cannot be had."""
    url = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-non-existing.jsonld"
    assert library.now(url) is None


async def test_kept_contexts_survive_a_restart(
    server: Server, library: ContextLibrary, tmp_path: Path
) -> None:
    """A second library on the same folder needs no network."""
    url = server.put("/c", {"a": "https://x.example/a"})
    await library.terms(url)
    library.save()
    again = ContextLibrary(tmp_path / "contexts")
    terms = again.now(url)
    assert terms is not None
    assert "https://x.example/a" == terms.stored("a")
    (tmp_path / "contexts" / "broken.json").write_bytes(b"{")
    assert 1 == len(ContextLibrary(tmp_path / "contexts").list())


async def test_kinds_counters_and_deletion(server: Server, library: ContextLibrary) -> None:
    """Each kind is listed with its counters; a deleted one is gone, and fetched anew when asked
    for."""
    url = server.put("/c", {"a": "https://x.example/a"})
    await library.terms(url)
    library.now(url)
    hosted = library.add({"@context": {"h": "https://x.example/h"}})
    implicit = library.add({"@context": [url]}, kind="ImplicitlyCreated")
    assert ["Cached", "Hosted", "ImplicitlyCreated"] == [d["kind"] for d in library.list()]
    assert [hosted] == [d["localId"] for d in library.list("Hosted")]
    details = library.get(url)
    assert (url, "Cached", 2) == (details["URL"], details["kind"], details["numberOfHits"])
    assert details["createdAt"] <= details["lastUsage"]
    assert {"@context": {"h": "https://x.example/h"}} == library.document(hosted)
    terms = library.now(f"http://city.example/ngsi-ld/v1/jsonldContexts/{hosted}")
    assert terms is not None and "https://x.example/h" == terms.stored("h")
    for id in (hosted, implicit, url):
        library.delete(id)
        with pytest.raises(ResourceNotFound):
            library.get(id)
    assert library.now(url) is None


def test_a_hosted_context_belongs_to_its_tenant(library: ContextLibrary) -> None:
    """Another tenant can neither see, list nor delete it; its local id alone names it."""
    id = library.add({"@context": {"h": "https://x.example/h"}}, tenant="north")
    for ask in (library.get, library.document, library.delete):
        with pytest.raises(ResourceNotFound):
            ask(id, tenant="south")
    assert [] == library.list(tenant="south")
    assert 1 == len(library.list(tenant="north"))
    terms = library.now(id)
    assert terms is not None and "https://x.example/h" == terms.stored("h")


async def test_reload_takes_the_new_version_or_keeps_the_old(
    server: Server, library: ContextLibrary
) -> None:
    """A Cached @context is fetched again; when that fails the old one stays."""
    url = server.put("/c", {"a": "https://x.example/1"})
    await library.terms(url)
    server.put("/c", {"a": "https://x.example/2"})
    await library.reload(url)
    assert "https://x.example/2" == (await library.terms(url)).stored("a")
    del server.documents["/c"]
    with pytest.raises(LdContextNotAvailable):
        await library.reload(url)
    assert "https://x.example/2" == (await library.terms(url)).stored("a")
    with pytest.raises(BadRequestData):
        await library.reload(library.add({"@context": {}}))


async def test_the_core_cannot_be_deleted(library: ContextLibrary) -> None:
    """Deleting a core @context is 400; reloading one is nothing to do."""
    with pytest.raises(BadRequestData):
        library.delete(CORE_URL)
    await library.reload(CORE_URL)
    assert "@context" in library.document(CORE_URL)


def test_senseless_documents_are_not_kept(library: ContextLibrary) -> None:
    """No @context, a scoped one, a number: nothing is stored."""
    for document in ({}, [], {"@context": 5}, {"@context": {"a": {"@id": "x:a", "@context": {}}}}):
        with pytest.raises(BadRequestData):
            library.add(document)
    assert [] == library.list()


def test_strangers_contexts_do_not_fill_the_memory(library: ContextLibrary) -> None:
    """Ever new inline @contexts push out old ones; one over the size limit is refused."""
    for index in range(600):
        terms = library.now({f"t{index}": f"https://x.example/{index}"})
        assert terms is not None and f"https://x.example/{index}" == terms.stored(f"t{index}")
    for index in range(30):
        library.now({f"t{index}x{n}": "https://x.example/a" for n in range(9_000)})
    assert len(library._compiled) < 30
    with pytest.raises(TooLarge):
        library.now({"a": "https://x.example/" + "a" * 1_000_000})


async def test_what_cannot_be_had_is_not_asked_for_at_every_request(
    server: Server, library: ContextLibrary
) -> None:
    """A failed fetch is remembered for a moment."""
    url = BASE + "/gone.jsonld"
    for _ in range(3):
        with pytest.raises(LdContextNotAvailable, match=r"gone\.jsonld is not available"):
            await library.terms(url)
    assert ["/gone.jsonld"] == server.asked
    server.put("/gone.jsonld", {"lamp": "urn:x:lamp"})
    with pytest.raises(LdContextNotAvailable):
        await library.terms(url)


async def test_a_moment_of_memory_ends(
    server: Server, library: ContextLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the moment the next request asks again."""
    monkeypatch.setattr(fetching, "FAILED_S", 0.05)
    with pytest.raises(LdContextNotAvailable):
        await library.terms(BASE + "/late.jsonld")
    url = server.put("/late.jsonld", {"lamp": "urn:x:lamp"})
    await asyncio.sleep(0.06)
    assert "urn:x:lamp" == (await library.terms(url)).stored("lamp")


def test_counters_outlive_the_process(tmp_path: Path) -> None:
    """How often a @context served is written down at the end, and only where it changed."""
    library = ContextLibrary(tmp_path)
    used = library.add({"@context": {"lamp": "urn:x:lamp"}})
    idle = library.add({"@context": {"pole": "urn:x:pole"}})
    for _ in range(3):
        library.document(used)
    untouched = (tmp_path / f"{idle}.json").stat().st_mtime_ns
    library.save()
    again = ContextLibrary(tmp_path)
    assert [3, 0] == [again.get(id)["numberOfHits"] for id in (used, idle)]
    assert untouched == (tmp_path / f"{idle}.json").stat().st_mtime_ns

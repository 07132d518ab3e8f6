"""The conformance run: our own city passes it, a node that lies does not, and nothing is left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from pintu.cli.conformance import checked, run_all
from pintu.cli.conformance_node import PREFIX
from pintu.cli.conformance_report import as_html, as_json, as_text
from pintu.cli.door import _InProcess
from pintu.kernel.errors import BadRequestData
from pintu.processes.lock import prepare_folder
from pintu.settings import load_settings


def test_our_own_city_passes(tmp_path: Path) -> None:
    """No clause fails; every entity is gone."""
    settings = load_settings(tmp_path / "data", {}, open=True, demo=False)
    settings = replace(settings, pieces=False, plain=True)
    prepare_folder(settings.data)
    with httpx.Client(base_url="http://127.0.0.1:9555", transport=_InProcess(settings)) as client:
        token = settings.token_file.read_text().strip()
        client.headers["Authorization"] = f"Bearer {token}"
        report = run_all(client, writes=True)
        assert [] == [one for one in report.results if one.verdict == "failed"]
        assert (26, 0) == (report.counts["passed"], report.left)
        for told in ({"NGSILD-Tenant": report.tenant}, {}):
            path = f"/ngsi-ld/v1/entities?idPattern={PREFIX}&limit=1"
            left = client.get(path, headers=told)
            assert 200 != left.status_code or [] == left.json()


def answering(status: int, body: Any) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body)

    return httpx.Client(base_url="http://node.test", transport=httpx.MockTransport(answer))


def test_a_node_that_answers_anything_fails_with_the_requests() -> None:
    """The report shows what was asked and what came back, and stored script stays text."""
    with answering(200, {"type": "<script>alert(1)</script>"}) as client:
        report = run_all(client, writes=True)
    assert report.counts["failed"] > 10
    assert "<script>" not in as_html(report)
    told = json.loads(as_json(report))
    failed = next(one for one in told["results"] if one["verdict"] == "failed")
    assert failed["seen"][0]["status"] == 200
    assert "5.6.1" in as_text(report)


def test_without_a_yes_nothing_is_written() -> None:
    """Only reading requests leave; what needs writing is said to be not asked."""
    methods = set()

    def answer(request: httpx.Request) -> httpx.Response:
        methods.add(request.method)
        return httpx.Response(501)

    transport = httpx.MockTransport(answer)
    with httpx.Client(base_url="http://node.test", transport=transport) as client:
        report = run_all(client, writes=False)
    assert {"GET"} == methods
    assert report.counts["not asked"] > 10


def test_a_node_that_never_ends_is_cut_off() -> None:
    """An answer over the limit fails its check and no other."""
    with answering(200, ["x" * 3_000_000]) as client:
        report = run_all(client, writes=False)
    assert {"failed", "not asked"} >= {one.verdict for one in report.results}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("broker:1026", "http://broker:1026/"),
        ("https://x.test/ngsi-ld/v1", "https://x.test/"),
        ("http://x.test/city/", "http://x.test/city/"),
    ],
)
def test_a_node_is_named_as_people_do(told: str, expected: str) -> None:
    """With or without scheme and path."""
    assert expected == checked(told)


@pytest.mark.parametrize("told", ["file:///etc/passwd", "http://", "ftp://x"])
def test_what_is_no_node_is_refused(told: str) -> None:
    """Other schemes, no host."""
    with pytest.raises(BadRequestData):
        checked(told)

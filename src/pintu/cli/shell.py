"""What every command shares: where the data are, how to speak, and how to reach a running city."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console

from pintu.kernel.errors import PintuError, Unavailable
from pintu.processes.lock import running_city
from pintu.settings import Settings, load_settings

if TYPE_CHECKING:  # what most commands never need, `pintu up` among them
    import httpx

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="The data folder (default: $PINTU_DATA or ./.data).", metavar="DIR"
    ),
]


def complain(sentence: str) -> None:
    """One sentence to stderr."""
    err.print(f"pintu: {sentence}", markup=False, soft_wrap=True)


def settings_of(data: Path | None, **started: Any) -> Settings:
    """The settings as `pintu up` would read them; ConfigurationError lists every mistake."""
    return load_settings(data, os.environ, **started)


class CityDown(Unavailable):
    """The command needs a running city and none runs on this data folder."""


class CityClient:
    """Talks to the city on a data folder, through its public doors, as its administrator."""

    def __init__(
        self, settings: Settings, address: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        import httpx

        try:
            token = settings.token_file.read_text("utf-8").strip()
        except OSError as error:
            raise PintuError(
                f"The administrator's token cannot be read from {settings.token_file}: "
                f"{error.strerror}"
            ) from error
        self.address = address
        self._http = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
            transport=transport,
            trust_env=False,
            # our own certificate, on our own machine, from our own data folder
            verify=urlsplit(address).hostname not in ("127.0.0.1", "::1", "localhost"),
        )

    def __enter__(self) -> CityClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request, whatever the answer is; Unavailable when there is none."""
        import httpx

        try:
            return self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise Unavailable(f"The city at {self.address} does not answer: {error}") from error

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request; an answer that is a problem is raised as one sentence."""
        return self.checked(self.send(method, path, **more))

    def checked(self, answer: httpx.Response) -> httpx.Response:
        """The answer, unless it is a problem: that is raised as one sentence."""
        if answer.status_code >= 400:
            raise PintuError(self.problem(answer))
        return answer

    def problem(self, answer: httpx.Response) -> str:
        """What a refused request was refused for, in one sentence."""
        try:
            told = answer.json()
            title, detail = told.get("title", "refused"), told.get("detail", "")
            return f"{title}: {detail} ({answer.status_code})"
        except (ValueError, AttributeError):
            return f"the city answered {answer.status_code} to {answer.request.url.path}"

    def json(self, method: str, path: str, **more: Any) -> Any:
        """One request, its answer read as JSON (None when empty)."""
        answer = self.ask(method, path, **more)
        return answer.json() if answer.content else None


def needed_city(settings: Settings) -> CityClient:
    """A client of the running city; CityDown says how to start one."""
    address = running_city(settings.data)
    if address is None:
        raise CityDown(
            f"No city runs on {settings.data}; start it with `pintu up --data {settings.data}`"
        )
    return CityClient(settings, address)

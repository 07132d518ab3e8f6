"""The operator's channels: which there are, how each is told, and which adapter carries what."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import BadRequestData, ConfigurationError, ResourceNotFound
from pintu.kernel.intake.doors.secrets import read_secret, write_secret
from pintu.kernel.operations.roster.channels import web_push, webhook
from pintu.kernel.operations.roster.channels.settings import (
    OWN,
    Channel,
    check_channel,
    read_channel,
)
from pintu.kernel.operations.roster.words import Envelope, Outcome, Reach

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KIND: Final = "channels"
PUSH_SECRET: Final = "web-push"
HOLDS_S: Final = 12 * 3_600
"""How long what vouches for us at a push service holds; at most a day (RFC 8292)."""


class OperatorChannels:
    """Channels as the operator set them up; asked for each attempt, so that a change holds at
    once. Without files there are a person's own webhook and web push."""

    def __init__(self, rooms: Any, *, tls: ssl.SSLContext | None = None) -> None:
        """`rooms` is the city's: its configuration, egress, caller, keys and settings are used."""
        self._configuration, self._egress = rooms.configuration, rooms.egress
        self._caller, self._keys = rooms.caller, rooms.keys
        self._data: Path = rooms.settings.data
        self._url: str = rooms.settings.public_url or ""
        self._tls = tls
        self._clock = CityClock()  # push services live in the real time
        self._push: EllipticCurvePrivateKey | None = None

    # --- the operator's settings ------------------------------------------------------------------
    def list_channels(self) -> list[Channel]:
        """Every channel whose file can be read, by name."""
        found = []
        for saved in self._configuration.list_saved(KIND):
            try:
                found.append(read_channel(saved.name, saved.content))
            except ConfigurationError:
                continue
        return found

    def mistakes(self) -> list[str]:
        """One sentence for each file that cannot be read or used."""
        found: list[str] = list(self._configuration.mistakes(KIND))
        for saved in self._configuration.list_saved(KIND):
            try:
                read_channel(saved.name, saved.content)
            except ConfigurationError as error:
                found += error.mistakes
        return found

    def find(self, name: str) -> Channel | None:
        """One channel; None for one that is not set up, or wrongly."""
        try:
            saved = self._configuration.find(KIND, name)
            return None if saved is None else read_channel(name, saved.content)
        except (ConfigurationError, BadRequestData):
            return None

    def save(self, channel: Channel, *, by: str, secret: str | None = None) -> Channel:
        """Keep a channel; `secret` None leaves the one there is, "" takes it away."""
        kept = check_channel(channel)
        content = msgspec.to_builtins(kept)
        content.pop("name")
        self._configuration.save(KIND, kept.name, content, by=by)
        if secret is not None:
            write_secret(self._data, _secret_name(kept.name), secret)
        return kept

    def remove(self, name: str) -> None:
        """Take a channel away with its secret; ResourceNotFound."""
        if name in OWN:
            raise ResourceNotFound(f"Channel {name!r} needs no setting up")
        self._configuration.delete(KIND, name)
        write_secret(self._data, _secret_name(name), "")

    @property
    def push_key(self) -> str:
        """What a browser is given to subscribe: this city's public key among push services."""
        return web_push.b64(web_push.public_bytes(self._signing()))

    # --- carrying ---------------------------------------------------------------------------------
    def lane(self, reach: Reach) -> str:
        """What an endpoint is told apart by: its channel, and the host of an own address."""
        if reach.channel in OWN:
            return f"{reach.channel} {urlsplit(reach.address).netloc.rpartition('@')[2]}"
        return reach.channel

    def audience(self, channel: str) -> Reach | None:
        """The way of a channel that has an address of its own."""
        known = self.find(channel)
        if known is None or not known.to:
            return None
        name = f"channel:{channel}"
        return Reach(id=name, person=name, kind=known.kind, channel=channel, address=known.to)

    async def send(self, envelope: Envelope) -> Outcome:
        """One attempt; every way it can end is an Outcome."""
        reach = envelope.reach
        if reach.channel == "push":
            vouch = self._vouch()
            return await web_push.send(self._caller, envelope, self._signing(), vouch)
        if reach.channel == "webhook":
            return await webhook.send(self._caller, envelope, None)
        channel = self.find(reach.channel)
        if channel is None:
            return Outcome(taken=False, detail=f"Channel {reach.channel} is not set up")
        secret = read_secret(self._data, _secret_name(channel.name))
        if channel.kind == "webhook":
            return await webhook.send(self._caller, envelope, channel, secret)
        return await _carry(channel.kind)(self._egress, envelope, channel, (secret, self._tls))

    def _vouch(self) -> tuple[str, int]:
        https = self._url if self._url.startswith("https://") else "https://pintu.invalid"
        return https, self._clock.now_us() // 1_000_000 + HOLDS_S

    def _signing(self) -> EllipticCurvePrivateKey:
        if self._push is None:
            if self._keys is None:
                raise ConfigurationError(["A city without keys pushes nothing to browsers"])
            self._push = web_push.signing_key(self._keys.secret(PUSH_SECRET))
        return self._push


def _carry(kind: str) -> Callable[..., Awaitable[Outcome]]:
    """Who carries to a server; its library comes with the first message that goes there."""
    if kind == "email":
        from pintu.kernel.operations.roster.channels import email

        return email.send
    from pintu.kernel.operations.roster.channels import mqtt

    return mqtt.send


def _secret_name(channel: str) -> str:
    return f"channel_{channel}"

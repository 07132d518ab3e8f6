"""What an operator says of a channel: one readable file each in `DATA/config/channels`, its secret
apart from it."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from pintu.kernel.errors import BadRequestData, ConfigurationError

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
OWN: Final = ("webhook", "push")
"""Channels that need no setting up: a person's own address says everything."""

BodyType = Literal["application/json", "application/x-www-form-urlencoded", "text/plain"]


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One channel. `to` is an address of its own, for messages that go to no person: a loudspeaker
    system, a group; then everybody may be told through it as `channel:NAME`.

    email: `host`, `port`, `security`, `user`, `sender`. mqtt: `host`, `port`, `security`, `user`,
    `topic`. webhook: `url`, `headers`, `body` with places such as `{text}` and `{to}`, and
    `success`, what a taken message's answer says (`errcode=0`), where 200 alone says nothing.
    """

    name: str
    kind: Literal["email", "webhook", "mqtt"]
    title: dict[str, str] = {}
    host: str = ""
    port: int = 0
    security: Literal["tls", "starttls", "none"] = "tls"
    user: str = ""
    sender: str = ""
    topic: str = ""
    url: str = ""
    method: Literal["POST", "PUT"] = "POST"
    headers: dict[str, str] = {}
    content_type: BodyType = "application/json"
    body: str = ""
    success: str = ""
    to: str = ""


def read_channel(name: str, content: dict[str, Any]) -> Channel:
    """A channel of its file; ConfigurationError with every mistake."""
    try:
        found = msgspec.convert({**content, "name": name}, Channel)
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"Channel {name}: {error}"]) from error
    wrong = [f"Channel {name} {one}" for one in _wrong(found)]
    if wrong:
        raise ConfigurationError(wrong)
    return found


def check_channel(channel: Channel) -> Channel:
    """The same channel; BadRequestData for what it cannot be."""
    wrong = _wrong(channel)
    if wrong:
        raise BadRequestData("A channel " + "; ".join(wrong))
    return channel


def _wrong(one: Channel) -> list[str]:
    wrong = []
    if not NAME.fullmatch(one.name) or one.name in OWN:
        wrong.append("has a name of small letters that is none of ours")
    if one.kind == "webhook":
        if not one.url.startswith(("https://", "http://")):
            wrong.append("of kind webhook needs an address")
        if any("\n" in part or "\r" in part for pair in one.headers.items() for part in pair):
            wrong.append("has headers of one line each")
    elif not one.host or not 1 <= one.port <= 65_535:
        wrong.append("needs a host and a port")
    if one.kind == "email" and "@" not in one.sender:
        wrong.append("of kind email needs a sender")
    if one.kind == "mqtt" and (not one.topic or any(sign in one.topic for sign in "+#\x00")):
        wrong.append("of kind mqtt needs a topic to publish to")
    if one.kind != "webhook" and one.user and one.security == "none":
        wrong.append("sends a password over TLS only")
    return wrong

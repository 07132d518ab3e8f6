"""E-mail over SMTP: to the operator's own server, whose name is looked up and checked as every
address is; TLS from the first byte, by STARTTLS, or none inside the house."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final

import aiosmtplib

from pintu.kernel.egress import Egress
from pintu.kernel.errors import Forbidden, PintuError
from pintu.kernel.operations.roster.channels.settings import Channel
from pintu.kernel.operations.roster.channels.template import values_of
from pintu.kernel.operations.roster.words import Envelope, Outcome

TIMEOUT_S: Final = 10.0


def letter(envelope: Envelope, sender: str) -> EmailMessage:
    """The message as it is sent: one recipient, plain text, the same `Message-ID` each time."""
    values = values_of(envelope)
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, envelope.reach.address
    mail["Subject"] = " ".join(f"[{values['severity']}] {values['title']}".split())[:200]
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{envelope.key}@{sender.rpartition('@')[2].rstrip('>')}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(part for part in (values["text"], values["link"]) if part))
    return mail


async def send(
    egress: Egress,
    envelope: Envelope,
    channel: Channel,
    trust: tuple[str, ssl.SSLContext | None],
) -> Outcome:
    """Hand one letter to the server; every way it can end is an Outcome. `trust` is the password
    and which certificates are believed (None: those of the machine)."""
    secret, tls = trust
    try:
        async with asyncio.timeout(TIMEOUT_S):
            address = await egress.reach(channel.host, channel.port)
            return await _sent(letter(envelope, channel.sender), channel, address, (secret, tls))
    except Forbidden:
        return Outcome(taken=False, again=False, detail="The mail server may not be reached")
    except PintuError:
        return Outcome(taken=False, detail="The mail server has no address")
    except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
        return _refused(error)
    except TimeoutError:
        return Outcome(taken=False, detail=f"The mail server did not answer in {TIMEOUT_S:g} s")
    except (aiosmtplib.SMTPException, OSError) as error:
        return Outcome(taken=False, detail=f"The mail server: {type(error).__name__}")


async def _sent(
    mail: EmailMessage, channel: Channel, address: str, trust: tuple[str, ssl.SSLContext | None]
) -> Outcome:
    secret, tls = trust
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_STREAM)
    raw.setblocking(False)
    try:
        await loop.sock_connect(raw, (address, channel.port))
        server = aiosmtplib.SMTP(
            hostname=channel.host,
            sock=raw,
            local_hostname="pintu",
            timeout=TIMEOUT_S,
            use_tls=channel.security == "tls",
            start_tls=channel.security == "starttls",
            tls_context=tls,
        )
        await server.connect()
    except BaseException:
        raw.close()
        raise
    try:
        if channel.user:
            await server.login(channel.user, secret)
        await server.send_message(mail)
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await server.quit()  # the letter was taken, however the parting goes
    finally:
        server.close()
    return Outcome(taken=True, detail="250")


def _refused(
    error: aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused,
) -> Outcome:
    """4xx is tried again, 5xx is not (RFC 5321, 4.2.1); the server's own sentence may name the
    address and is not kept."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        codes = [one.code for one in error.recipients]
    else:
        codes = [error.code]
    code = max(codes, default=0)
    detail = f"The mail server answered {code}"
    return Outcome(taken=False, again=not 500 <= code < 600, detail=detail)

"""(6) Dim and switch: sent, acknowledged by the gateway, confirmed by the power the lamp then
draws."""

from __future__ import annotations

import asyncio

from pintu.kit import BadInput, Changed, Command, Hands, Update, iso
from pintu.pieces.street_lights.connectors.mqtt import ANSWER_WITHIN_S, GatewayConnector
from pintu.pieces.street_lights.model import STANDBY_W, expected_power_w, lamp_id, local_part

MEASURED_WITHIN_S = 170.0
TOLERANCE = 0.15


async def dim_lamp(command: Command, hands: Hands) -> None:
    """`DimLamp {"level": 0…100}`."""
    level = command.arguments.get("level")
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= 100:
        raise BadInput(f"Level {level!r} is not a whole number between 0 and 100")
    await _act(command, hands, level)


async def switch_lamp(command: Command, hands: Hands) -> None:
    """`SwitchLamp {"on": true}`."""
    on = command.arguments.get("on")
    if not isinstance(on, bool):
        raise BadInput(f"On {on!r} is neither true nor false")
    await _act(command, hands, 100 if on else 0)


async def _act(command: Command, hands: Hands, level: int) -> None:
    if command.target != lamp_id(local_part(command.target)):
        raise BadInput(f"{command.target} is not a lamp of this piece")
    connector: GatewayConnector = hands.connector("mqtt")
    # Listening begins before sending: a quick lamp must not be missed.
    measured = asyncio.create_task(
        hands.until(command.target, lambda change: shows(change, level / 100), MEASURED_WITHIN_S)
    )
    try:
        answer = await connector.send(command.id, local_part(command.target), level)
        await hands.report("sent")
        told = await asyncio.wait_for(answer, ANSWER_WITHIN_S)
        if not told.ok:
            await hands.report("failed", f"The gateway refuses: {told.reason or 'no reason given'}")
            return
        await hands.report("acknowledged")
        await hands.hand_in([Update(_desired(command, level, hands.clock.now_us()))])
        change = await measured
        if change is not None:
            await hands.report("confirmed", f"{change.entity['activePower']['value']} W measured")
    finally:
        measured.cancel()


def shows(change: Changed, level: float) -> bool:
    """True when a change is a reading in which the lamp does what it was told."""
    entity = change.entity
    if change.changed is not None and "activePower" not in change.changed:
        return False
    try:
        told = float(entity["illuminanceLevel"]["value"])
        power = float(entity["activePower"]["value"])
        rated = float(entity["ratedPower"]["value"])
    except (KeyError, TypeError):
        return False
    if abs(told - level) > 0.005:
        return False
    if level == 0:
        return power < STANDBY_W
    expected = expected_power_w(rated, level)
    return abs(power - expected) <= max(TOLERANCE * expected, 4.0)


def _desired(command: Command, level: int, now_us: int) -> dict[str, object]:
    return {
        "id": command.target,
        "type": "Streetlight",
        "desiredIlluminanceLevel": {
            "type": "Property",
            "value": level / 100,
            "observedAt": iso(now_us // 1000 * 1000),
        },
    }

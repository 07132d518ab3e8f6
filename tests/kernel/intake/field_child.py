"""A device that repeats what was not acknowledged: `python field_child.py DATA COUNT`; killed by
tests.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pintu.kernel.intake import FieldLink
from pintu.kernel.intake.words import Batch, Update


async def main(data: Path, count: int) -> None:
    """Hand in readings 0 … COUNT-1, eight at a time; write down each that was acknowledged."""
    link = FieldLink(data / "broker.sock", name="field", pieces=["street_lights"])
    await link.start()
    known = data / "acknowledged"
    done = set(known.read_text().split()) if known.exists() else set()
    room = asyncio.Semaphore(8)
    with known.open("a") as file:

        async def hand_in(number: int) -> None:
            async with room:
                value = {
                    "type": "Property",
                    "value": number,
                    "observedAt": f"2026-01-01T00:00:{number % 60:02d}.{number:06d}Z",
                }
                update = Update(
                    {"id": f"urn:ngsi-ld:Lamp:x:{number % 7}", "type": "Lamp", "n": value}
                )
                await link.accept(Batch("street_lights/mqtt", "demo", f"m{number}", [update]))
                file.write(f"{number}\n")
                file.flush()

        await asyncio.gather(*(hand_in(n) for n in range(count) if str(n) not in done))
    await link.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

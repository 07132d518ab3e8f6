"""A process of its own whose threads create batches as fast as they are let, until its input says
stop; then what they were answered, as JSON. Beside who measures reads they would share one
interpreter, and the reads would wait for it and not for the city.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from typing import Final

from tests.faults.callers import Line, entity

CREATE: Final = "/ngsi-ld/v1/entityOperations/create"
NAME: Final = b"a-name-each-time-another"


class Pusher(threading.Thread):
    """Sends one batch after the other, each of new entities: bytes in which only a name differs."""

    def __init__(self, port: int, name: str, size: int) -> None:
        super().__init__(daemon=True)
        self.line, self.name_ = Line(port, "", timeout_s=120), name
        ids = [f"urn:ngsi-ld:Lamp:{NAME.decode()}-{one}" for one in range(size)]
        self.last = ids[-1].encode()
        self.body = json.dumps([entity(id, 1) for id in ids]).encode()
        self.stopped, self.answers = False, Counter[int]()
        self.kept: list[str] = []
        self.untold = 0  # refusals that did not say when to come again

    def run(self) -> None:
        """Until told to stop."""
        number = 0
        while not self.stopped:
            number += 1
            name = f"{self.name_}-{number}".encode()
            answer = self.line.ask("POST", CREATE, self.body.replace(NAME, name))
            status = 0 if answer is None else answer[0]
            self.answers[status] += 1
            if status == 201:
                self.kept.append(self.last.replace(NAME, name).decode())
            elif answer is not None and status == 503:
                self.untold += "Retry-After" not in answer[2]
                time.sleep(0.2)
        self.line.close()


def main() -> None:
    """`PORT NAME WRITERS SIZE`."""
    port, name, writers, size = sys.argv[1:]
    pushers = [Pusher(int(port), f"{name}-{one}", int(size)) for one in range(int(writers))]
    print("begin", flush=True)
    for one in pushers:
        one.start()
    sys.stdin.readline()
    for one in pushers:
        one.stopped = True
    for one in pushers:
        one.join(120)
    answers: Counter[int] = sum((one.answers for one in pushers), Counter())
    kept = [id for one in pushers for id in one.kept]
    untold = sum(one.untold for one in pushers)
    print(json.dumps({"answers": answers, "kept": kept, "untold": untold}))


if __name__ == "__main__":
    main()

"""The process that makes whole copies by itself: each so many hours, and at once when the stream
had to begin anew. What fails is said and tried again; the city does not notice.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pintu.kept import Kept, read_kept
from pintu.kept_state import BASE, keep_state, read_state
from pintu.kernel.clock import iso
from pintu.kernel.errors import PintuError
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.processes.child import run_child, told
from pintu.processes.keeping import server_moments
from pintu.processes.keeping.bringing import BASES, STREAM
from pintu.processes.keeping.copying import Keys, copy_city, listed, pack
from pintu.processes.keeping.keeper import EVERY_S, Keeper
from pintu.processes.keeping.looking import read_manifest
from pintu.processes.keeping.sealing import read_passphrase
from pintu.processes.keeping.server import position_of as server_position
from pintu.processes.keeping.stream import Damaged, first_of, read_tail, segments
from pintu.settings import Settings

LOOK_S: Final = 2.0
AGAIN_S: Final = 120.0
"""After a copy that failed."""
STAGE: Final = ".making-"

log = logging.getLogger("pintu.keeping")


def make_base(settings: Settings, kept: Kept) -> Path:
    """One whole copy into the folder of backups; PintuError when it could not be made."""
    folder = kept.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(f"{STAGE}*"):
        shutil.rmtree(left, ignore_errors=True)
    place = folder / f"{STAGE}{os.getpid()}"
    place.mkdir(mode=0o700)
    sealed = read_passphrase(kept.passphrase_file) if kept.passphrase_file is not None else None
    try:
        after = _stream_end(folder / STREAM)
        keys = Keys(sealed, left_out=kept.keys == "left out")
        whole = ""
        if kept.server and is_postgres(settings.store):
            whole = server_moments.whole_server(parse_address(kept.server), folder, _stamp())
        manifest = copy_city(settings, place, keys, _nobody)
        manifest |= {"stream": after, "server": whole, "files": listed(place, _nobody)}
        stamp = _stamp(manifest["as_of_us"])
        archive = folder / f"base-{stamp}.tar.gz"
        pack(place, manifest, archive, _nobody)
        return archive
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _stamp(at_us: int = 0) -> str:
    """A moment as a part of a file's name."""
    told = iso(at_us or time.time_ns() // 1000)
    return told.replace("-", "").replace(":", "").replace(".", "-")


def _stream_end(stream: Path) -> int | None:
    """The record the copy follows; None when that cannot be known."""
    with suppress(Damaged, OSError):
        return read_tail(stream).n
    return None


def prune(kept: Kept) -> list[str]:
    """Delete what is older than the copies that are kept; the names."""
    bases = sorted(kept.folder.glob(BASES))
    gone = bases[: -kept.keep]
    for path in gone:
        path.unlink(missing_ok=True)
    left = bases[-kept.keep :]
    after = read_manifest(left[0]).get("stream") if left else None
    if after is not None:
        files = segments(kept.folder / STREAM)
        for path, following in pairwise(files):
            if first_of(following) <= after + 1:
                path.unlink(missing_ok=True)
                gone.append(path)
    if kept.server:
        names = {str(read_manifest(one).get("server", "")) for one in left} - {""}
        server_moments.forget_before(kept.folder, names)
    return [one.name for one in gone]


def is_due(settings: Settings, kept: Kept, now_us: int) -> bool:
    """Is a whole copy to be made now?"""
    state, stream = read_state(settings.data, BASE), read_state(settings.data, "stream")
    if state.get("trouble"):
        return bool(now_us - state.get("tried_us", 0) > AGAIN_S * 1e6)
    as_of_us = state.get("as_of_us", 0) if sorted(kept.folder.glob(BASES)) else 0
    late = now_us - as_of_us > kept.every_h * 3.6e9
    follows = kept.stream and (bool(kept.server) or not is_postgres(settings.store))
    if follows and not as_of_us and not stream.get("at_us"):
        return False  # the stream begins first, so that it goes on from the copy
    return bool(late or (follows and stream.get("gap_us", 0) > as_of_us))


def look(settings: Settings, kept: Kept) -> None:
    """Make what is due; what goes wrong is noted and said."""
    now_us = time.time_ns() // 1000
    if not is_due(settings, kept, now_us):
        return
    state: dict[str, Any] = {**read_state(settings.data, BASE), "tried_us": now_us}
    try:
        archive = make_base(settings, kept)
        state |= {"as_of_us": read_manifest(archive)["as_of_us"], "trouble": ""}
        state["name"], state["took_s"] = archive.name, (time.time_ns() // 1000 - now_us) / 1e6
        prune(kept)
    except (PintuError, OSError) as error:
        state["trouble"] = getattr(error, "detail", "") or str(error)
        log.warning("No backup was made: %s", state["trouble"])
    keep_state(settings.data, BASE, state)


def main() -> None:
    """Look every moment until told to stop."""
    settings, _ = told()
    kept, _ = read_kept(settings.backup)
    if kept is None:
        return
    os.nice(10)
    stop = threading.Event()
    moments = Moments(settings, kept) if kept.server and is_postgres(settings.store) else None

    def end(*_: object) -> None:
        if moments is not None:
            moments.stop()
        os._exit(0)  # half a copy is swept by the next one

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if moments is not None:
        moments.start()
    while not stop.wait(LOOK_S):
        look(settings, kept)


class Moments:
    """Of a city on PostgreSQL: fetches what the server writes, and keeps plain files, each moment,
    also while a whole copy is being made."""

    def __init__(self, settings: Settings, kept: Kept) -> None:
        self._address = parse_address(settings.store)
        folder, server = kept.folder / server_moments.WAL, parse_address(kept.server)
        self.receiver = server_moments.Receiver(server, folder, self._address.schema)
        self._keeper = Keeper(settings.data, kept, on_server=True)
        self._position = 0

    def start(self) -> None:
        """Begin; ends with the process."""
        self._keeper.prepare()
        threading.Thread(target=self._run, name="pintu-moments", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.receiver.look()
            try:
                self._position = server_position(self._address)
            except PintuError as error:
                log.info("The server cannot be asked now: %s", error.detail)
            self._keeper.step(self._position, trouble=self.receiver.trouble)
            time.sleep(EVERY_S)

    def stop(self) -> None:
        """Let the receiver end."""
        self.receiver.stop()


def _nobody(what: str, n: int, of: int) -> None:
    return None


if __name__ == "__main__":
    run_child("backups", main)

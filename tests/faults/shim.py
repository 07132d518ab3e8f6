"""Faults below a running city: a wrong clock, a slow disk, a disk that refuses (`shim.c`)."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from claims.words import NotRun

SIZE = 4096
READ_ONLY = errno.EROFS


class Below:
    """What the library is told; it holds for every process started with `environ`."""

    def __init__(self, control: Path, library: Path, folder: Path) -> None:
        self.environ = {"LD_PRELOAD": str(library), "PINTU_FAULT_FILE": str(control)}
        control.write_bytes(bytes(SIZE))
        with control.open("r+b") as file:
            self._told = mmap.mmap(file.fileno(), SIZE)
        name = str(folder).encode() + b"\0"
        self._told[32 : 32 + len(name)] = name

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("q", self._told, place * 8, value)

    def clock(self, wrong_s: float) -> None:
        """The wall clock is wrong by so many seconds from now on."""
        self._set(0, int(wrong_s * 1_000_000))

    def slow(self, sync_s: float) -> None:
        """Each sync takes at least so long."""
        self._set(1, int(sync_s * 1_000_000))

    def refuse(self, number: int) -> None:
        """Every write into the folder fails with this errno; 0: they are done again."""
        self._set(2, number)

    @property
    def syncs(self) -> int:
        """How many syncs were made slower or refused."""
        return int(struct.unpack_from("q", self._told, 24)[0])

    def close(self) -> None:
        """Nothing is wrong any more."""
        self._told[:24] = bytes(24)
        self._told.close()


@contextmanager
def below(folder: Path, data: Path) -> Iterator[Below]:
    """The library, built in `folder`, over the data folder `data`; what is started inside this
    process's environment gets it. Raises NotRun without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or os.uname().sysname != "Linux":
        raise NotRun("no C compiler on this machine to put a fault below the city")
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    made = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotRun(f"the C compiler cannot build shim.c: {done.stderr.strip()[-200:]}")
    made_below = Below(folder / "faults.bin", library, data)
    before = {name: os.environ.get(name) for name in made_below.environ}
    os.environ.update(made_below.environ)
    try:
        yield made_below
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        made_below.close()

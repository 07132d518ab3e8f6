"""A standalone Spark cluster on loopback for the length of a test: one master, one worker, as a
site has them on several machines."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pintu.kit.testing import free_port

PORTS = (9740, 9769)
JAVA = 17
START_S = 120.0


def missing() -> str:
    """What a cluster lacks here; empty: nothing."""
    found = importlib.util.find_spec("pyspark")
    if found is None:
        return "spark is not installed: pip install 'pintu[spark]'"
    java = shutil.which("java")
    if java is None:
        return "spark needs Java, which is not installed"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = said.partition('"')[2].partition(".")[0].strip('"')
    if not version.isdigit() or int(version) < JAVA:
        return f"spark needs Java {JAVA}, and here is {said.splitlines()[:1]}"
    return ""


def need() -> None:
    """Skip with the reason when a part is missing; PINTU_REQUIRE turns that into a failure."""
    if why := missing():
        pytest.skip(why)


@contextlib.contextmanager
def cluster(folder: Path, *, cores: int = 2, memory: str = "1g") -> Iterator[str]:
    """The address of a running cluster, `spark://127.0.0.1:PORT`."""
    port, page, other = free_port(*PORTS), free_port(9770, 9784), free_port(9785, 9799)
    address = f"spark://127.0.0.1:{port}"
    host = ["--host", "127.0.0.1"]
    master = ["master.Master", *host, "--port", str(port), "--webui-port", str(page)]
    work = ["--cores", str(cores), "--memory", memory, "--work-dir", str(folder / "work")]
    worker = ["worker.Worker", *host, "--webui-port", str(other), *work, address]
    with contextlib.ExitStack() as open_parts:
        log = open_parts.enter_context(_part(folder, "master", master))
        _wait_for(log, "New state: ALIVE")
        log = open_parts.enter_context(_part(folder, "worker", worker))
        _wait_for(log, "Successfully registered with master")
        yield address


@contextlib.contextmanager
def _part(folder: Path, name: str, words: list[str]) -> Iterator[Path]:
    """One of the cluster's processes; ended with all that it began."""
    found = importlib.util.find_spec("pyspark")
    assert found is not None and found.origin is not None
    home = Path(found.origin).parent
    told = {
        **os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "512m", "SPARK_LOCAL_DIRS": str(folder),
    }  # fmt: skip
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{words[0]}", *words[1:]]
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=told, start_new_session=True
        )
    try:
        yield path
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(log: Path, words: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if words in log.read_text("utf-8", "replace"):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Spark does not start: {log.read_text('utf-8', 'replace')[-2000:]}")

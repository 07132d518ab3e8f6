"""Devices that send during the kills: a gateway that pushes, MQTT at QoS 1 and 2, stations of
HJ 212 that buffer and send again."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.http_ops import City
from claims.doors_kill_words import Load, entities_of, rows_of, write_data_set, write_source
from pintu.kit.protocols import Frame, write_hj212
from pintu.kit.testing import free_port
from pintu.protocols.hj212_stream import Stream


def push_into_context(data: Path, count: int, city_of: Callable[[], City | None]) -> Load:
    """A gateway that sends again until it hears that its message is kept."""
    name = "gateway"
    mapping = {
        "type": "WeatherObserved",
        "id": "{id}",
        "observed_at": "at",
        "fields": [{"to": "temperature", "from": "t", "kind": "number", "unit": "CEL"}],
    }
    write_source(
        data, name, {"door": "push", "mappings": [name], "settings": {"most_a_second": 2000}},
        mapping,
    )  # fmt: skip

    def send() -> None:
        for number in range(count):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            body = json.dumps({"id": f"W{number}", "t": number % 30, "at": at}).encode()
            while not _pushed(city_of(), name, f"key-{number}", body):
                time.sleep(0.05)

    threading.Thread(target=send, daemon=True).start()
    return Load("HTTP push", count, entities_of("WeatherObserved"))


def _pushed(city: City | None, name: str, key: str, body: bytes) -> bool:
    if city is None:
        return False
    request = urllib.request.Request(
        f"http://127.0.0.1:{city.port}/api/v1/push/{name}",
        data=body,
        headers={
            "Authorization": f"Bearer {city.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def mqtt_into_context(data: Path, count: int, port: int) -> Load:
    """A device at QoS 1 behind a broker that keeps the city's session."""
    name = "meters"
    mapping = {
        "type": "Device",
        "id": "{$topic[1]}",
        "fields": [{"to": "batteryLevel", "from": "b", "kind": "number"}],
    }
    _subscribed(data, name, port, 1, mapping)
    bodies = [(f"meters/D{number}", {"b": 0.5}) for number in range(count)]
    threading.Thread(target=_publish, args=(port, bodies, 1), daemon=True).start()
    return Load("MQTT QoS 1 into the context", count, entities_of("Device"))


def mqtt_into_table(data: Path, count: int, port: int) -> Load:
    """A device at QoS 2; its rows have no key: one that came twice would be there twice."""
    name = "wells"
    fields = [{"to": "well", "from": "$topic[1]"}, {"to": "level", "from": "level"}]
    mapping = {"target": "table", "data_set": name, "fields": fields}
    _subscribed(data, name, port, 2, mapping)
    write_data_set(data, name, [{"name": one["to"]} for one in fields])
    bodies = [(f"wells/W{number % 7}", {"level": number}) for number in range(count)]
    threading.Thread(target=_publish, args=(port, bodies, 2), daemon=True).start()
    return Load("MQTT QoS 2 into a table", count, rows_of(name))


def _subscribed(data: Path, name: str, port: int, qos: int, mapping: dict[str, Any]) -> None:
    settings = {"broker": f"mqtt://127.0.0.1:{port}", "topics": [f"{name}/#"], "qos": str(qos)}
    settings["client_id"] = f"pintu-kill-{name}"
    write_source(data, name, {"door": "mqtt", "mappings": [name], "settings": settings}, mapping)


def _publish(port: int, bodies: list[tuple[str, dict[str, Any]]], qos: int) -> None:
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    time.sleep(12)  # the city subscribes first; its session lasts from then on
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic, body in bodies:
        client.publish(topic, json.dumps(body), qos=qos).wait_for_publish(30)
        time.sleep(0.01)
    client.loop_stop()
    client.disconnect()


# --- stations -------------------------------------------------------------------------------------
STATIONS = 10
ANSWER_S = 3.0


def hj212_into_table(data: Path, count: int) -> Load:
    """Stations that keep what they measured until they hear that it is kept (9014), and send it
    again until then; a frame is a row without a key."""
    name, port = "stations", free_port(9864, 9869)
    settings = {"listen": f"127.0.0.1:{port}", "ask_missing": False}
    fields = [
        {"to": "station", "from": "station"},
        {"to": "hour", "from": "time", "kind": "time"},
        {"to": "pm25", "from": "a34004-Avg", "kind": "number"},
    ]
    mapping = {"target": "table", "data_set": name, "fields": fields}
    write_source(data, name, {"door": "hj212", "mappings": [name], "settings": settings}, mapping)
    write_data_set(
        data, name, [{"name": one["to"], "kind": one.get("kind", "text")} for one in fields]
    )
    stations = [_Station(port, number, count // STATIONS) for number in range(STATIONS)]
    for station in stations:
        threading.Thread(target=station.run, daemon=True).start()

    def cut() -> None:
        for station in stations:
            station.cut()

    return Load("HJ 212 into a table", count // STATIONS * STATIONS, rows_of(name), [cut])


class _Station:
    """One station: a buffer of frames, and a line that breaks."""

    def __init__(self, port: int, number: int, frames: int) -> None:
        self._port, self._line = port, socket.socket()
        self._buffer = deque(_frame(number, one) for one in range(frames))

    def cut(self) -> None:
        """Break the line in the middle of whatever it carries."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Send what is in the buffer, the oldest first, until all of it was answered."""
        while self._buffer:
            try:
                with socket.create_connection(("127.0.0.1", self._port), ANSWER_S) as line:
                    self._line = line
                    self._talk(line)
            except OSError:
                time.sleep(0.2)

    def _talk(self, line: socket.socket) -> None:
        stream = Stream()
        while self._buffer:
            qn, frame = self._buffer[0]
            line.sendall(frame)
            while True:
                found = stream.next()
                if found is None:
                    chunk = line.recv(4096)
                    if not chunk:
                        return
                    stream.feed(chunk)
                elif found.frame is not None and found.frame.fields.get("QN") == qn:
                    break
            self._buffer.popleft()


def _frame(station: int, number: int) -> tuple[str, bytes]:
    hour = f"202510{1 + number // 24 % 28:02d}{number % 24:02d}"
    qn = f"{hour}{number // 672:02d}00{station:03d}"
    fields = {
        "QN": qn, "ST": "22", "CN": "2061", "PW": "123456", "MN": f"DE30C1A1{station:016d}",
        "Flag": "5",
    }  # fmt: skip
    factors = {"a34004": {"Avg": f"{number % 90}.5", "Flag": "N"}}
    return qn, write_hj212(Frame(fields=fields, data_time=f"{hour}0000", factors=factors))

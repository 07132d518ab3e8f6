"""Made-up public service points (演示) along the district's roads, as a department's own file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from pintu.demo.district import Road, degrees

POINTS = 60
FOLDER, FILE = "public_points", "points.demo.geojson"
KINDS = ("社区", "二级以上医院", "基层", "重点公共场所", "其他")
STATES = ("空闲", "空闲", "休息", "忙碌")
HOURS = ("周一至周日;08:00-11:30；13:00-17:00", "周一至周日;07:00-21:00", "全天")
KILOMETRES_APART = 0.05


def make_points(roads: list[Road], seed: int) -> dict[str, Any]:
    """The file's content: GeoJSON with Chinese properties; nobody's place, nobody's telephone."""
    chance = random.Random(f"points {seed}")
    features = []
    for number in range(1, POINTS + 1):
        road = chance.choice(roads)
        x, y = chance.choice(road.line)
        x += chance.uniform(-KILOMETRES_APART, KILOMETRES_APART)
        lon, lat = degrees((x, y))
        kind = chance.choice(KINDS)
        properties = {
            "ID": f"D{number:03d}",
            "名称": f"{road.name}{kind}服务点 {number:02d}（演示）",
            "详情地址": f"{road.name} {chance.randint(1, 400)} 号（演示）",
            "联系电话": f"000-{number:08d}",
            "状态": chance.choice(STATES),
            "类型": kind,
            "工作时间": chance.choice(HOURS),
        }
        point = {"type": "Point", "coordinates": [round(lon, 6), round(lat, 6)]}
        features.append({"type": "Feature", "properties": properties, "geometry": point})
    return {"type": "FeatureCollection", "features": features}


def drop(inbox: Path, roads: list[Road], seed: int) -> None:
    """Put the file where a department would, unless it lies there or was read already."""
    folder = inbox / FOLDER
    if (folder / FILE).exists() or any((folder / "done").glob("points.demo*")):
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{FILE}"
    partial.write_text(json.dumps(make_points(roads, seed), ensure_ascii=False), "utf-8")
    partial.replace(folder / FILE)

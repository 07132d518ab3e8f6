"""JSON, NDJSON, GeoJSON and shapefiles as records; people masked in a look; tables written."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import shapefile

from pintu.kernel.errors import BadRequestData, TooLarge
from pintu.kernel.intake.tabular import Options, Place, open_table
from pintu.kernel.intake.tabular.documents import frame_of
from pintu.kernel.intake.tabular.drift import Drift
from pintu.kernel.intake.tabular.look import look
from pintu.kernel.intake.tabular.write import write_csv, write_geojson, write_xlsx

WGS = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
HANGZHOU = (
    'PROJCS["CGCS2000_3_Degree_GK_CM_120E",GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",'
    'DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Gauss_Kruger"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",120.0],PARAMETER["Scale_Factor",1.0],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)

BEGIN = Place()


def file(folder: Path, content: Any, name: str = "t.json", codec: str = "utf-8") -> Path:
    """A file of a text, or of a value as JSON."""
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_bytes(text.encode(codec))
    return path


def read(path: Path, after: Place = BEGIN, **told: Any) -> tuple[list[Any], list[Any]]:
    """(records, bad ones)."""
    portions = list(open_table(path, Options(**told)).portions(after))
    return (
        [one for portion in portions for one in portion.records],
        [(one.line, one.reason) for portion in portions for one in portion.bad],
    )


@pytest.mark.parametrize(
    "content",
    [
        [{"a": 1}, {"a": 2}],
        {"data": {"items": [{"a": 1}, {"a": 2}], "total": 2}},
        {"meta": [{"x": 1}], "rows": [{"a": 1}, {"a": 2}]},
        {"rows": [{"a": 1}, {"a": 2}], "页": 1},
    ],
)
def test_the_list_of_records_is_found(tmp_path: Path, content: Any) -> None:
    """Wherever a document keeps its longest list of objects, there the records are."""
    assert [(1, {"a": 1}), (2, {"a": 2})] == read(file(tmp_path, content))[0]


def test_a_told_path_holds(tmp_path: Path) -> None:
    """Whoever knows the path may say it; records that are none are bad with their number."""
    content = {"data": {"few": [{"a": 1}, 7], "many": [{"b": 1}] * 5}}
    records, bad = read(file(tmp_path, content), records="data.few")
    assert ([(1, {"a": 1})], [2]) == (records, [line for line, _ in bad])


def test_a_cut_document_keeps_what_came_before(tmp_path: Path) -> None:
    """What is whole is handed out; then the end is told in words with the number of the record."""
    table = open_table(file(tmp_path, '[{"a":1},{"a":2},{"a":'))
    portions = table.portions(Place())
    assert [(1, {"a": 1}), (2, {"a": 2})] == next(portions).records
    with pytest.raises(BadRequestData, match="Behind record 2"):
        next(portions)


@pytest.mark.parametrize("codec", ["gb18030", "utf-16", "utf-8-sig"])
def test_json_in_other_encodings(tmp_path: Path, codec: str) -> None:
    """JSON of old systems is read too."""
    content = [{"名": "滨江区", "值": n} for n in range(9)]
    path = file(tmp_path, content, codec=codec)
    assert (9, {"名": "滨江区", "值": 9}) == (read(path)[0][8][0], {**content[0], "值": 9})
    assert content == [one for _, one in read(path)[0]]


def test_lines_of_json(tmp_path: Path) -> None:
    """NDJSON is read line by line; a bad line costs itself; reading goes on at any place."""
    path = file(tmp_path, '{"a":1}\n\n{"a":\n[1]\n{"a":4}\n', "t.txt.ndjson")
    records, bad = read(path)
    assert ([(1, {"a": 1}), (5, {"a": 4})], [3, 4]) == (records, [line for line, _ in bad])
    assert [(5, {"a": 4})] == read(path, Place(offset=9, line=2, row=1))[0]


def test_depth_is_bounded(tmp_path: Path) -> None:
    """A record of a thousand lists inside each other is bad, not a crash."""
    deep = '{"a":' + "[" * 1000 + "]" * 1000 + "}"
    path = file(tmp_path, f'{{"a":1}}\n{deep}\n', "t.ndjson")
    assert ([(1, {"a": 1})], [2]) == (read(path)[0], [line for line, _ in read(path)[1]])
    assert [2] == [line for line, _ in read(file(tmp_path, f'[{{"a":1}},{deep}]'))[1]]


def test_features_keep_their_geometry(tmp_path: Path) -> None:
    """A feature is its properties, its geometry and its id; `crs` names the frame."""
    point = {"type": "Point", "coordinates": [120.1, 30.2]}
    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4490"}},
        "features": [{"type": "Feature", "id": 9, "properties": {"名": "甲"}, "geometry": point}],
    }
    path = file(tmp_path, content, "t.geojson")
    assert [(1, {"名": "甲", "id": 9, "geometry": point})] == read(path)[0]
    assert "CGCS2000" == open_table(path).frame


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "WGS-84"),
        ("EPSG:4326", "WGS-84"),
        ("urn:ogc:def:crs:EPSG:6.9:4549", "EPSG:4549"),
        ("GCJ-02", "GCJ-02"),
        ("BD_09", "BD-09"),
        ("my own", ""),
    ],
)
def test_frames_are_named_as_mappings_name_them(name: str, frame: str) -> None:
    """The usual ways to write a coordinate reference system."""
    assert frame == frame_of(name)


def test_the_public_points_are_read() -> None:
    """The Hangzhou file: 844 features with Chinese properties."""
    path = Path("../shared/data/basemap/hangzhou_public_points.geojson")
    if not path.is_file():
        pytest.skip("the real data are not here")
    (seen,) = look(path)
    assert (844, "point") == (
        seen.rows,
        next(one.type for one in seen.columns if one.name == "geometry"),
    )


def layer(folder: Path, wkt: str, codec: str, name: str = "t.zip") -> Path:
    """A zipped layer of two points."""
    stem = folder / "点位"
    with shapefile.Writer(str(stem), shapeType=shapefile.POINT, encoding=codec) as writer:
        writer.field("名称", "C", 40)
        writer.field("值", "N", 10, 2)
        for number, (x, y) in enumerate([(120.1, 30.2), (120.2, 30.3)]):
            writer.point(x, y)
            writer.record(f"站{number}", number + 0.5)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for end in ("shp", "dbf", "shx"):
            archive.write(f"{stem}.{end}", f"图层/点位.{end}")
        if wkt:
            archive.writestr("图层/点位.prj", wkt)
        if codec != "gb18030":
            archive.writestr("图层/点位.cpg", codec)
    return folder / name


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_a_shapefile_is_read(tmp_path: Path, codec: str) -> None:
    """Attributes in their encoding, told or found; geometry as GeoJSON; the frame of the .prj."""
    path = layer(tmp_path, WGS, codec)
    record = {
        "名称": "站0",
        "值": 0.5,
        "geometry": {"type": "Point", "coordinates": [120.1, 30.2]},
    }
    assert (1, record) == read(path)[0][0]
    assert "WGS-84" == open_table(path).frame
    assert [2] == [number for number, _ in read(path, Place(row=1))[0]]


def test_frames_of_shapefiles(tmp_path: Path) -> None:
    """A grid of CGCS2000 is found by its numbers; without .prj, that is said."""
    assert "EPSG:4549" == open_table(layer(tmp_path, HANGZHOU, "utf-8")).frame
    table = open_table(layer(tmp_path, "", "utf-8", "u.zip"))
    assert ("", True) == (table.frame, ".prj" in table.said[0]["en"])


def test_damaged_shapefiles_end_in_words(tmp_path: Path) -> None:
    """Half a layer, and rubbish for a layer."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.shp", b"x" * 200)
        archive.writestr("a.dbf", b"y" * 200)
    with pytest.raises(BadRequestData, match="damaged"):
        open_table(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("b.shp", b"x")
    with pytest.raises(BadRequestData, match="lacks"):
        open_table(tmp_path / "b.zip")


def test_a_look_masks_people(tmp_path: Path) -> None:
    """Neither examples, range nor sample of a look show a person; other columns are measured."""
    rows = "".join(f"王{n},3301061990010{n % 10}0017,13800{n:06d},{n}\n" for n in range(50))
    path = file(tmp_path, "姓名,身份证号,手机号,数值\n" + rows, "t.csv")
    (seen,) = look(path)
    told = json.dumps([[c.examples, c.low, c.high] for c in seen.columns[:3]]) + repr(seen.sample)
    assert all(one.person for one in seen.columns[:3])
    assert ("330106199001" in told, "13800000" in told) == (False, False)
    number = seen.columns[3]
    assert ("whole", 1.0, 50, "0", "49") == (
        number.type,
        number.filled,
        number.distinct,
        number.low,
        number.high,
    )


def test_a_mixed_column_is_told(tmp_path: Path) -> None:
    """A few texts among numbers are a warning with one of them."""
    rows = "".join(f"{n}\n" for n in range(100)) + "设备故障\n"
    (seen,) = look(file(tmp_path, "值,b\n" + rows.replace("\n", ",x\n"), "t.csv"))
    assert ("mixed", True) == (seen.columns[0].type, "设备故障" in seen.warnings[0])


def test_a_column_that_turns_is_told_once() -> None:
    """Numbers to text at row 900,000: the line, once a column; a person's value is not shown."""
    drift = Drift([(n, {"流量": str(n), "电话": "123", "名": "x"}) for n in range(10)])
    later = [(900_000, {"流量": "NA", "电话": "1"}), (900_001, {"流量": "停机", "电话": "2"})]
    (said,) = drift.look(later)
    assert ("900001" in said["zh"], "停机" in said["en"]) == (True, True)
    assert [] == drift.look(later)
    private = Drift([(1, {"电话": "123"})], frozenset({"电话"}))
    assert "王" not in private.look([(2, {"电话": "王"})])[0]["zh"]


EVIL = ["=1+1", "+1+cmd|'/c calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1"]


def test_no_cell_becomes_a_formula() -> None:
    """What a spreadsheet would run begins with an apostrophe in CSV and XLSX; numbers stay."""
    rows = [{"a": one, "b": -5, "c": "-5.5"} for one in EVIL]
    text = b"".join(write_csv(["a", "b", "c"], rows, titles=["=x", "b", "c"])).decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert ["'=x"] + ["'" + one for one in EVIL] == [line[0] for line in lines]
    assert {("-5", "-5.5")} == {(line[1], line[2]) for line in lines[1:]}
    held = io.BytesIO()
    write_xlsx(held, ["a", "b", "c"], rows, name="甲[1]")
    sheet = openpyxl.load_workbook(held).active
    assert sheet is not None
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert {"s"} == {one.data_type for one in cells}
    assert all(str(one.value).startswith("'") for one in cells)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Tables come back from each of the three formats."""
    rows = [{"名": "甲", "值": 1.5, "点": [120.1, 30.2]}, {"名": "乙,丙\n", "值": -2, "点": None}]
    names = ["名", "值", "点"]
    (tmp_path / "a.csv").write_bytes(b"".join(write_csv(names, rows)))
    assert "乙,丙\n" == read(tmp_path / "a.csv")[0][1][1]["名"]
    with (tmp_path / "a.xlsx").open("wb") as opened:
        write_xlsx(opened, names, rows)
    assert [1.5, -2] == [one["值"] for _, one in read(tmp_path / "a.xlsx")[0]]
    (tmp_path / "a.geojson").write_bytes(b"".join(write_geojson(names, rows, geometry="点")))
    first, second = (one for _, one in read(tmp_path / "a.geojson")[0])
    assert ([120.1, 30.2], None) == (first["geometry"]["coordinates"], second["geometry"])


def test_limits_are_said_in_both_languages(tmp_path: Path) -> None:
    """A refusal carries a Chinese sentence too."""
    with pytest.raises(TooLarge) as refused:
        open_table(file(tmp_path, ",".join(f"c{n}" for n in range(3_000)) + "\n", "t.csv"))
    assert "3000 列" in refused.value.extra["zh"]


def test_a_frame_that_a_file_names_is_not_asked_for(tmp_path: Path) -> None:
    """What the .prj says is what the guessed mapping says."""
    from pintu.kernel.intake.mapping import guess_mapping
    from pintu.vocabulary.mapping_words import mapping_words

    (seen,) = look(layer(tmp_path, HANGZHOU, "utf-8"))
    assert "EPSG:4549" == seen.frame
    guess = guess_mapping(seen, mapping_words(), name="points")
    assert "EPSG:4549" == guess.mapping.frame


def test_what_a_look_masked_stays_a_person(tmp_path: Path) -> None:
    """Mobile numbers under a name that says nothing: the guess never sees them, and still keeps
    them out of the context and marks them in a table."""
    from pintu.kernel.intake.mapping import guess_mapping, guess_table
    from pintu.vocabulary.mapping_words import mapping_words

    rows = "".join(f"P{n},社区{n},9-17,社区,138{n:08d},120.1{n},30.2{n}\n" for n in range(40))
    (seen,) = look(file(tmp_path, "编号,名称,工作时间,类型,号码,经度,纬度\n" + rows, "t.csv"))
    words = mapping_words()
    context = guess_mapping(seen, words, name="p").mapping
    assert "号码" not in [one.source for one in context.fields]
    fields = guess_table(seen, words, name="p").mapping.fields
    assert ["phone"] == [one.person for one in fields if one.source == "号码"]

"""The command line as a person uses it: sentences, exit codes, and data that come back whole."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pintu import __version__
from pintu.cli import run
from pintu.kernel.intake.words import Envelope, Unreadable
from pintu.processes.keeping.unpacking import unpack_into
from pintu.processes.lock import take_lock

Told = tuple[int, str, str]
Pintu = Callable[..., Told]


@pytest.fixture
def pintu(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Pintu:
    """Runs a command on a folder of its own: exit code, what it printed, what it complained."""
    monkeypatch.setenv("PINTU_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: str) -> Told:
        capfdbinary.readouterr()
        code = run(list(words))
        told = capfdbinary.readouterr()
        return code, told.out.decode(), told.err.decode()

    return command


def lamp(number: int, **more: object) -> dict[str, object]:
    """A small entity."""
    return {
        "id": f"urn:ngsi-ld:Streetlight:x:{number}",
        "type": "Streetlight",
        "powerState": {"type": "Property", "value": "on"},
        **more,
    }


def written(path: Path, entities: list[object]) -> str:
    """A file of lines of JSON."""
    path.write_text("".join(json.dumps(one) + "\n" for one in entities), "utf-8")
    return str(path)


def test_it_says_which_it_is(pintu: Pintu) -> None:
    """`pintu version` is one line and done."""
    assert (0, f"pintu {__version__}\n", "") == pintu("version")


@pytest.mark.parametrize("words", [["up", "--bogus"], ["nothing"], ["token", "create"], []])
def test_misuse_is_two(pintu: Pintu, words: list[str]) -> None:
    """What cannot be understood ends with exit code 2 and does nothing."""
    code, _, complaint = pintu(*words)
    assert 2 == code
    assert "Traceback" not in complaint


def test_every_mistake_at_once(pintu: Pintu, tmp_path: Path) -> None:
    """`pintu check` shows mistakes of settings and of pieces together, a line each."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "pintu.toml").write_text('port = 0\nlang = "fr"\n[pieces.nothing]\nx = 1\n')
    code, _, complaint = pintu("check")
    lines = complaint.strip().split("\n")
    assert 2 == code
    assert all(one.startswith("pintu: ") for one in lines)
    assert ["port" in complaint, "lang" in complaint, len(lines)] == [True, True, 2]
    (data / "pintu.toml").write_text("[pieces.nothing]\nx = 1\n")
    code, _, complaint = pintu("check")
    assert (2, True) == (code, "no such piece" in complaint)


def test_check_of_nothing_is_in_order(pintu: Pintu) -> None:
    """Without a pintu.toml the defaults are in order, and so are the built-in pieces."""
    code, told, complaint = pintu("check")
    assert (0, "") == (code, complaint)
    assert "settings are in order" in told


def test_what_goes_in_comes_out(pintu: Pintu, tmp_path: Path) -> None:
    """Import without a running city, then export: the same entities, a line each."""
    entities = [lamp(number) for number in range(1203)]
    code, _, told = pintu("import", written(tmp_path / "in.ndjson", entities))
    assert (0, "1,203 entities stored, 0 refused\n") == (code, told)
    out = tmp_path / "out.ndjson"
    assert 0 == pintu("export", str(out))[0]
    got = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(map(str, entities)) == sorted(map(str, got))


def test_a_bad_line_is_named_and_the_others_are_kept(pintu: Pintu, tmp_path: Path) -> None:
    """Each refused line is told of with its number and reason; the exit code is 1."""
    file = tmp_path / "in.ndjson"
    file.write_text(
        f"{json.dumps(lamp(1))}\nnot json\n\n"
        '{"type": "X"}\n{"id": "no uri", "type": "X"}\n{"id": "urn:x:1"}\n'
    )
    code, _, complaint = pintu("import", str(file))
    assert 1 == code
    assert [True] * 5 == [
        word in complaint
        for word in ("line 2", "line 4", "line 5 ", "line 6 ", "1 entities stored, 4 refused")
    ]


def test_the_last_of_an_id_wins(pintu: Pintu, tmp_path: Path) -> None:
    """The same id twice in one file is two writes, in order."""
    second = lamp(1, powerState={"type": "Property", "value": "off"})
    code, _, told = pintu("import", written(tmp_path / "in.ndjson", [lamp(1), lamp(2), second]))
    assert (0, True) == (code, "3 entities stored" in told)
    _, told, _ = pintu("export")
    values = {
        one["id"][-1]: one["powerState"]["value"] for one in map(json.loads, told.split("\n")[:-1])
    }
    assert {"1": "off", "2": "on"} == values


def test_tenants_are_kept_apart(pintu: Pintu, tmp_path: Path) -> None:
    """What is imported into a tenant is exported from it alone; an unknown tenant is said to be."""
    file = written(tmp_path / "in.ndjson", [lamp(1)])
    assert 0 == pintu("import", file, "--tenant", "demo")[0]
    assert 1 == len(pintu("export", "--tenant", "demo")[1].splitlines())
    assert [] == pintu("export")[1].splitlines()
    code, _, complaint = pintu("export", "--tenant", "nobody")
    assert (1, True) == (code, "nobody" in complaint)


def test_the_demo_is_emptied_by_one_command(pintu: Pintu, tmp_path: Path) -> None:
    """`empty-demo` removes the demo tenant's entities and nothing else."""
    file = written(tmp_path / "in.ndjson", [lamp(number) for number in range(700)])
    pintu("import", file, "--tenant", "demo")
    pintu("import", file)
    code, told, _ = pintu("empty-demo", "--yes")
    assert (0, True) == (code, "700 demo entities removed" in told)
    assert 700 == len(pintu("export")[1].splitlines())
    assert [] == pintu("export", "--tenant", "demo")[1].splitlines()


def test_a_file_that_is_not_there_is_one_sentence(pintu: Pintu) -> None:
    """A missing file is said plainly."""
    code, _, complaint = pintu("import", "/nowhere/in.ndjson")
    assert (1, 1) == (code, len(complaint.strip().splitlines()))
    assert "No such file" in complaint


def test_a_folder_in_use_is_left_alone(pintu: Pintu, tmp_path: Path) -> None:
    """While another command writes, import waits for nobody and says who has the folder."""
    (tmp_path / "data").mkdir()
    handle = take_lock(tmp_path / "data")
    try:
        code, _, complaint = pintu("import", written(tmp_path / "in.ndjson", [lamp(1)]))
    finally:
        os.close(handle)
    assert (1, True) == (code, f"in use by process {os.getpid()}" in complaint)


def test_tokens_are_made_shown_once_and_ended(pintu: Pintu) -> None:
    """A token's text is printed when it is made and never again; revoked, it is listed as such."""
    code, told, _ = pintu("token", "create", "contractor", "--grant", "write:demo")
    secret, said = told.splitlines()[0], told.splitlines()[1]
    assert (0, True) == (code, secret.startswith("pintu_"))
    number = said.split(":")[0].removeprefix("token ")
    assert 0 == pintu("token", "revoke", number)[0]
    code, told, _ = pintu("token", "list")
    row = next(one for one in told.splitlines() if "contractor" in one)
    assert (0, True, False) == (code, "revoked" in row, secret in told)
    assert 1 == pintu("token", "revoke", number)[0]


def test_names_with_brackets_are_shown_as_they_are(pintu: Pintu) -> None:
    """What people write, and the name of a table of pintu.toml, is text: never markup of the
    terminal, that would be swallowed or end the command."""
    assert 0 == pintu("token", "create", "roof [/b] [red]", "--grant", "read:demo")[0]
    assert "roof [/b] [red]" in pintu("token", "list")[1]
    assert 0 == pintu("tenant", "create", "county_a", "--en", "County [/a]")[0]
    assert "County [/a]" in pintu("tenant", "list")[1]
    assert "there is no [relay] in pintu.toml" in pintu("relay", "status")[1]


@pytest.mark.parametrize("grant", [[], ["--grant", "fly:demo"], ["--admin", "--expires", "soon"]])
def test_a_token_that_makes_no_sense_is_refused(pintu: Pintu, grant: list[str]) -> None:
    """No grants, an unknown grant, an end nobody understands: one sentence, no token."""
    code, told, complaint = pintu("token", "create", "x", *grant)
    assert (True, "") == (code in (1, 2), told)
    assert "Traceback" not in complaint


def test_a_sign_in_link_is_an_address(pintu: Pintu) -> None:
    """`token link` prints one line that a browser can open."""
    code, told, _ = pintu("token", "link")
    assert (0, True) == (code, told.startswith("http://127.0.0.1:8800/sign-in?code="))


def hold(folder: Path, *bodies: bytes) -> None:
    """Put messages nobody could read into a folder's quarantine."""
    import asyncio

    from pintu.kernel.intake import Limits, Quarantine
    from pintu.kernel.intake.schema import TABLES
    from pintu.kernel.tables import open_tables

    tables = open_tables(folder)
    quarantine = Quarantine(tables.register(TABLES), Limits())
    items = [
        Unreadable(Envelope("bins/mqtt", str(number), 5, body, {"topic": "t"}), "Not JSON [x]")
        for number, body in enumerate(bodies)
    ]
    asyncio.run(quarantine.put("demo", items, 6))
    tables.close()


def test_the_quarantine_can_be_looked_at_and_emptied(pintu: Pintu, tmp_path: Path) -> None:
    """List, show and drop work on a stopped city; retry says that it needs a running one."""
    (tmp_path / "data").mkdir()
    hold(tmp_path / "data", b"{half", b"\xff\x00")
    code, told, _ = pintu("quarantine", "list")
    assert (0, True, True) == (code, "bins/mqtt" in told, "Not JSON [x]" in told)
    shown = json.loads(pintu("quarantine", "show", "1")[1])
    assert ("{half", {"topic": "t"}) == (shown["body"], shown["meta"])
    assert "/wA=" == json.loads(pintu("quarantine", "show", "2")[1])["body_base64"]
    code, _, complaint = pintu("quarantine", "retry", "1")
    assert (1, True) == (code, "pintu up" in complaint)
    assert (0, "2 dropped\n") == pintu("quarantine", "drop", "--source", "bins/mqtt", "--yes")[:2]
    assert "the quarantine is empty\n" == pintu("quarantine", "list")[1]
    assert 1 == pintu("quarantine", "show", "1")[0]
    assert 2 == pintu("quarantine", "drop")[0]


def test_a_backup_comes_back_whole(pintu: Pintu, tmp_path: Path) -> None:
    """Backup, then restore into a new folder: the same entities, tokens and token file."""
    pintu("import", written(tmp_path / "in.ndjson", [lamp(number) for number in range(50)]))
    token = (tmp_path / "data" / "admin.token").read_text()
    archive, again = str(tmp_path / "b.tar.gz"), str(tmp_path / "again")
    assert 0 == pintu("backup", archive, "--open-keys")[0]
    assert 0o600 == os.stat(archive).st_mode & 0o777
    assert 0 == pintu("restore", archive, "--data", again)[0]
    assert pintu("export")[1] == pintu("export", "--data", again)[1]
    assert token == (tmp_path / "again" / "admin.token").read_text()
    assert 0o600 == (tmp_path / "again" / "admin.token").stat().st_mode & 0o777


def test_a_backup_overwrites_nothing(pintu: Pintu, tmp_path: Path) -> None:
    """Neither an archive that exists nor a folder that has something in it."""
    pintu("import", written(tmp_path / "in.ndjson", [lamp(1)]))
    archive = str(tmp_path / "b.tar.gz")
    pintu("backup", archive, "--open-keys")
    assert (1, True) == (lambda told: (told[0], "exists already" in told[2]))(
        pintu("backup", archive, "--open-keys")
    )
    assert (1, True) == (lambda told: (told[0], "not empty" in told[2]))(pintu("restore", archive))


@pytest.mark.parametrize("wound", ["cut", "flip", "text", "gone"])
def test_a_damaged_backup_restores_nothing(pintu: Pintu, tmp_path: Path, wound: str) -> None:
    """Half an archive, a flipped byte, another file, none: one sentence, and no folder appears."""
    pintu("import", written(tmp_path / "in.ndjson", [lamp(number) for number in range(300)]))
    archive = tmp_path / "b.tar.gz"
    pintu("backup", str(archive), "--open-keys")
    content = archive.read_bytes()
    if wound == "cut":
        archive.write_bytes(content[: len(content) // 2])
    elif wound == "flip":
        flip_inside(archive)
    elif wound == "text":
        archive.write_text("hello")
    else:
        archive.unlink()
    code, _, complaint = pintu("restore", str(archive), "--data", str(tmp_path / "again"))
    assert (1, False, False) == (code, (tmp_path / "again").exists(), "Traceback" in complaint)
    assert [] == [one for one in tmp_path.iterdir() if one.name.startswith(".pintu-restore")]


def flip_inside(archive: Path) -> None:
    """Change one byte of city.db in a well-formed archive."""
    place = archive.parent / "flip"
    with tarfile.open(archive) as tar:
        unpack_into(place, tar)
    city = bytearray((place / "city.db").read_bytes())
    city[len(city) // 2] ^= 1
    (place / "city.db").write_bytes(city)
    with tarfile.open(archive, "w:gz") as tar:
        for path in place.rglob("*"):
            tar.add(path, str(path.relative_to(place)), recursive=False)


def test_nothing_is_taken_over_where_nothing_was_restored(pintu: Pintu, tmp_path: Path) -> None:
    """No new city begins where somebody waits for the one that is gone."""
    empty = tmp_path / "again"
    code, _, complaint = pintu("up", "--take-over", "--data", str(empty))
    assert (2, True) == (code, "restore a backup first" in complaint)
    assert not empty.exists() or [] == list(empty.iterdir())


def test_nothing_to_back_up_is_said(pintu: Pintu, tmp_path: Path) -> None:
    """A folder without a city cannot be backed up."""
    code, _, complaint = pintu("backup", str(tmp_path / "b.tar.gz"), "--open-keys")
    assert (1, True) == (code, "There is no city" in complaint)


def test_the_doctor_says_what_works(pintu: Pintu) -> None:
    """One line a part, and 0 or 1 by what is missing."""
    code, told, _ = pintu("doctor")
    assert code in (0, 1)
    assert [True] * 3 == [word in told for word in ("Python", "store", "data folder")]

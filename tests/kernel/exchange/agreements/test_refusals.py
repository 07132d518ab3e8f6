"""What Pintu refuses by design: no agreement of that kind can be asked for, whoever asks and
whatever a town adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pintu.kernel.access import Mask
from pintu.kernel.clock import CityClock
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import ConfigurationError, Forbidden
from pintu.kernel.exchange.agreements import Limits, Terms, policy
from pintu.kernel.exchange.agreements.policy import Policies, compiled
from pintu.kernel.exchange.agreements.topics import WORDS, topics_of
from pintu.kernel.exchange.words import Column, Condition, DataSet

from .conftest import DAY_US, NOON_US, SHOTS, terms


def data_set(*columns: Column, **more: Any) -> DataSet:
    return DataSet(name="records", provider="table", owner="health", columns=list(columns), **more)


def refused(asked: Terms, about: DataSet, policies: Policies | None = None) -> list[str]:
    request = policy.asked(asked, about, stage="request", kind="department", known=True)
    return [one.id for one in (policies or Policies()).refusals(request)]


def wanted(about: DataSet, **more: Any) -> Terms:
    """Terms that nothing stands against but what a test adds."""
    told: dict[str, Any] = {
        "data_set": about.name,
        "fields": {"note": Mask(kind="yes_no")},
        "where": (),
        "subject": "id_number",
        "limits": Limits(subjects_a_day=100),
        "from_us": NOON_US,
    }
    return terms(**{**told, **more})


ID = Column(name="id_number", person="id_number", key=True)
NOTE = Column(name="note")
PERSONS = (ID, NOTE)


def test_what_is_meant_is_not_refused() -> None:
    """The scene's agreement may exist, and so may open data about lamps."""
    assert [] == refused(terms(), SHOTS)
    lamps = DataSet(name="lamps", provider="table", owner="works", columns=[NOTE, Column(name="n")])
    asked = Terms(
        data_set="lamps",
        provider="works",
        consumer="traffic",
        purpose="maintenance",
        basis="no_persons",
        fields={"note": Mask(), "n": Mask()},
    )
    assert [] == refused(asked, lamps)


@pytest.mark.parametrize(
    "column",
    [
        Column(name="face_image"),
        Column(name="x1", title={"zh": "人脸特征", "en": "x"}),
        Column(name="gaitVector"),
        Column(name="imsi"),
        Column(name="track", title={"zh": "手机信令轨迹"}),
        Column(name="reId", title={"zh": "跨摄像头追踪编号"}),
    ],
    ids=lambda one: one.name,
)
def test_no_face_gait_or_trajectory_crosses(column: Column) -> None:
    """Not even masked, counted, or only as a condition."""
    about = data_set(*PERSONS, column)
    for more in (
        {"fields": {column.name: Mask(kind="pseudonym")}},
        {"fields": {column.name: Mask()}, "subject": "", "k": 1000},
        {"where": (Condition(column.name, "=", "1"),)},
        {"subject": column.name},
    ):
        assert "biometric-search" in refused(wanted(about, **more), about)


def test_nobody_searches_by_a_plate() -> None:
    """A plate is neither what is asked by, nor told as it is; a masked one may be."""
    plate = Column(name="plate_no", title={"zh": "车牌号"})
    about = data_set(*PERSONS, plate)
    assert ["plate-search"] == refused(wanted(about, subject="plate_no"), about)
    assert ["plate-search"] == refused(wanted(about, fields={"plate_no": Mask()}), about)
    by_row = wanted(about, where=(Condition("plate_no", "=", "浙A00000"),))
    assert ["plate-search"] == refused(by_row, about)
    masked = wanted(about, fields={"plate_no": Mask(kind="truncate", keep=2)})
    assert [] == refused(masked, about)


def test_no_person_is_on_a_map() -> None:
    """A person's place is not told, however blurred; counts of ten or more may be."""
    about = data_set(*PERSONS, Column(name="home", kind="point"))
    for mask in (Mask(), Mask(kind="generalise", step=0.5), Mask(kind="pseudonym")):
        assert ["person-on-a-map"] == refused(wanted(about, fields={"home": mask}), about)
    counted = wanted(about, fields={"home": Mask(kind="generalise", step=0.01)}, subject="", k=10)
    assert [] == refused(counted, about)


def test_no_bulk_export_of_health_records() -> None:
    """Neither rows, for whatever purpose, nor one after another without a limit, nor onward."""
    about = data_set(*PERSONS, Column(name="diagnosis", person="health"))
    fields = {"fields": {"diagnosis": Mask(kind="truncate", keep=1)}}
    for more in (
        {"subject": ""},
        {"subject": "", "purpose": "enforcement"},
        {"subject": "", "k": 9},
        {"limits": Limits(subjects_a_day=0)},
    ):
        assert "health-in-bulk" in refused(wanted(about, **fields, **more), about)
    assert ["health-onward"] == refused(wanted(about, **fields, onward=True), about)
    assert [] == refused(wanted(about, **fields), about)


@pytest.mark.parametrize("name", ["asthma", "absent_today", "nobodyHome", "缺勤"])
def test_lists_that_serve_burglars_are_counts_of_ten_with_blurred_time(name: str) -> None:
    """Also one home, pupil or patient a call is too much, and so is an hour."""
    column = Column(name=name if name.isascii() else "x", title={"zh": name})
    about = data_set(*PERSONS, column, Column(name="since", kind="time"))
    fields = {column.name: Mask(kind="yes_no")}
    assert ["burglars"] == refused(wanted(about, fields=fields), about)
    counts = {"subject": "", "k": 10}
    assert [] == refused(wanted(about, fields=fields, **counts), about)
    assert "burglars" in refused(wanted(about, fields=fields, subject="", k=9), about)
    fine = {**fields, "since": Mask(kind="generalise", keep=13)}
    assert ["burglars"] == refused(wanted(about, fields=fine, **counts), about)
    day = {**fields, "since": Mask(kind="generalise", keep=10)}
    assert [] == refused(wanted(about, fields=day, **counts), about)


@pytest.mark.parametrize(
    ("more", "id"),
    [
        ({"purpose": ""}, "purpose"),
        ({"basis": ""}, "purpose"),
        ({"fields": {"*": Mask()}}, "everything"),
        ({"fields": {"id_number": Mask(), "note": Mask()}}, "everything"),
        ({"until_us": 0}, "without-end"),
        ({"until_us": NOON_US - DAY_US}, "without-end"),
        ({"basis": "no_persons"}, "without-basis"),
        ({"subject": ""}, "rows-of-persons"),
        ({"subject": "", "k": 9}, "rows-of-persons"),
        ({"subject": "", "purpose": "enforcement", "basis": "consent"}, "rows-of-persons"),
    ],
    ids=str,
)
def test_persons_are_shared_for_a_purpose_a_term_and_one_at_a_time(
    more: dict[str, Any], id: str
) -> None:
    """Each of these alone forbids it."""
    about = data_set(*PERSONS)
    assert [id] == refused(wanted(about, **more), about)


def test_enforcement_by_statutory_duty_is_the_exception() -> None:
    """Rows without naming each person, for that purpose on that basis; the other refusals stay."""
    about = data_set(*PERSONS)
    assert [] == refused(wanted(about, subject="", purpose="enforcement"), about)


def test_no_score_of_a_person() -> None:
    """A score beside an id of a person does not cross; a lamp's score may."""
    score = Column(name="credit_score", title={"zh": "信用分"})
    about = data_set(*PERSONS, score)
    asked = wanted(about, fields={"credit_score": Mask(kind="generalise", step=10)})
    assert ["person-score"] == refused(asked, about)


def test_a_data_set_without_an_owner_is_agreed_about_with_nobody() -> None:
    """Nobody could approve it."""
    about = DataSet(name="x", provider="table", columns=[NOTE, Column(name="b")])
    assert ["own-data"] == refused(wanted(about, subject=""), about)


def test_our_policies_fit_their_schema() -> None:
    """Every one names itself and says why in both languages; a mistake is found at the start."""
    texts = compiled(policy.built_in()).texts
    assert "agreements" in {one.id for one in texts.values()}
    for one in texts.values():
        if one.id != "agreements":
            assert one.text["zh"] != one.text["en"]
    with pytest.raises(ConfigurationError, match="nothing_known"):
        compiled("forbid (principal, action, resource) when { context.nothing_known == 1 };")


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration(tmp_path / "config", CityClock())


def save(configuration: Configuration, name: str, cedar: Any) -> None:
    configuration.save("policies", name, {"cedar": cedar}, by="test")


def test_a_town_forbids_more(configuration: Configuration) -> None:
    """Its own words are told, in its own language where it has no other."""
    save(
        configuration,
        "no_firms",
        '@id("no-firms") @zh("本市暂不向企业提供")\n'
        'forbid (principal, action == Action::"agree", resource) '
        'when { principal.kind == "firm" };',
    )
    policies = Policies(configuration)
    request = policy.asked(terms(), SHOTS, stage="approve", kind="firm", known=True)
    assert [("no-firms", "本市暂不向企业提供")] == [
        (one.id, one.text["zh"]) for one in policies.refusals(request)
    ]
    assert [] == refused(terms(), SHOTS, policies)
    with pytest.raises(Forbidden, match="no-firms"):
        policies.check(request)


@pytest.mark.parametrize(
    "cedar",
    [
        "permit (principal, action, resource);",
        '@id("purpose") permit (principal, action, resource) when { context.purpose == "" };',
        "forbid (principal, action, resource) when { context.nothing == 1 };",
        "forbid ((",
        7,
    ],
    ids=str,
)
def test_a_policy_that_cannot_be_used_forbids_everything(
    configuration: Configuration, cedar: Any
) -> None:
    """What it was to forbid is not known; repaired, all is as it was. Nothing ours can be undone:
    a permit does not count, and is a mistake."""
    save(configuration, "broken", cedar)
    policies = Policies(configuration)
    assert policies.mistakes
    assert ["broken-policy"] == refused(terms(), SHOTS, policies)
    configuration.delete("policies", "broken")
    policies.look()
    assert [] == refused(terms(), SHOTS, policies)
    assert "purpose" in refused(terms(purpose=""), SHOTS, policies)


def test_a_file_that_is_no_toml_forbids_everything(configuration: Configuration) -> None:
    """Somebody edited it by hand and broke it."""
    (configuration.folder / "policies").mkdir(parents=True)
    (configuration.folder / "policies" / "own.toml").write_text("cedar = ", "utf-8")
    assert ["broken-policy"] == refused(terms(), SHOTS, Policies(configuration))


@pytest.mark.parametrize(
    ("name", "topics"),
    [
        ("surface", set()),
        ("interface_id", set()),
        ("template", set()),
        ("absence_days", {"absence"}),
        ("vacancy", {"nobody_home"}),
        ("scoreboard", set()),
        ("risk_score", {"score"}),
        ("licencePlate", {"plate"}),
    ],
)
def test_topics_are_recognised_by_whole_words(name: str, topics: set[str]) -> None:
    """A surface is no face and a template is no plate."""
    assert topics == topics_of(Column(name=name))
    assert topics <= set(WORDS)

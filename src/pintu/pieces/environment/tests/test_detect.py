"""Exceedances and patterns: found, told why, raised once, over again; and not found where nothing
is."""

from __future__ import annotations

from pintu.pieces.environment.tests.city import USUAL, City


def wave(number: int, place: int = 0) -> float:
    """PM2.5 as it comes and goes in a day."""
    return round(60 + 25 * ((number % 24) - 12) ** 2 / 144 + place * 2 + number % 3, 1)


def test_a_city_in_order_raises_nothing() -> None:
    """Two days of air that differs from station to station and hour to hour."""
    city = City()
    city.hours(0, 48)
    assert city.alerts == []


def test_an_exceedance_is_raised_once_and_over_when_it_is_over() -> None:
    """NO2 above 200 for three hours, with limit, edition and concentration as the reason."""
    city = City()
    city.hours(0, 2)
    special = {name: {"NO2": 240.0 + 5 * number} for number, name in enumerate(city.names)}
    for number in (2, 3, 4):
        for name in city.names:
            city.tell(name, number, {"NO2": special[name]["NO2"] + number})
        city.tick()
    alert = city.context.entities["urn:ngsi-ld:Alert:environment:exceedance:S0~no2"]
    assert alert["name"]["languageMap"]["zh"] == "NO2 超标：S0 站"
    assert alert["evidence"]["json"]["edition"] == "GB 3095-2026 (transition)"
    assert (alert["evidence"]["json"]["limit"], alert["evidence"]["json"]["period"]) == (200, "1h")
    city.hours(5, 7)
    mine = [one for one in city.alerts if one[1] == "S0~no2"]
    assert mine == [("exceedance", "S0~no2", "open"), ("exceedance", "S0~no2", "cleared")]


def test_a_backlog_of_days_past_raises_no_exceedance() -> None:
    """A station that comes back tells what was; only its newest hours are news."""
    city = City()
    city.hours(0, 2)
    city.now_us += 72 * 3_600_000_000
    for number in range(2, 70):
        for name in city.names:
            city.tell(name, number, {"NO2": 240.0 + number % 7})
        city.tick()
    assert city.found("exceedance") == []
    for number in range(70, 73):
        for name in city.names:
            city.tell(name, number, {"NO2": 240.0 + number % 7})
        city.tick()
    assert len(city.names) == len(city.found("exceedance"))


def test_the_running_mean_of_24_hours_is_judged_too() -> None:
    """PM2.5 around 70 hour after hour: above 60 as soon as twenty hours are known."""
    city = City()
    for number in range(21):
        for place, name in enumerate(city.names):
            city.tell(name, number, {"PM2.5": 68.0 + (number + place) % 4, "PM10": 100 + number})
        city.tick()
        assert bool(city.found("exceedance")) is (number >= 19)
    evidence = city.context.entities["urn:ngsi-ld:Alert:environment:exceedance:S1~pm25"]["evidence"]
    assert (evidence["json"]["period"], evidence["json"]["limit"]) == ("24h", 60)


def test_a_flat_line_is_found_while_the_others_move() -> None:
    """Eight equal hours at one station; it is over three hours after it moves again."""
    city = City()
    for number in range(13):
        for place, name in enumerate(city.names):
            flat = name == "S0" and 2 <= number < 11
            city.tell(name, number, {"PM2.5": 47.0 if flat else wave(number, place)})
        city.tick()
        if number == 8:
            assert city.found("flat_line") == []
    assert ("flat_line", "S0~pm25", "open") in city.alerts
    assert len(city.found("flat_line")) == 1
    assert city.station("S0")["dataState"]["value"] == "suspect"
    city.hours(13, 14)
    assert city.found("flat_line")[-1] == ("flat_line", "S0~pm25", "cleared")
    city.hours(14, 15)
    assert city.station("S0")["dataState"]["value"] == "good"


def test_a_sudden_drop_is_found_while_the_others_rise() -> None:
    """From 110 to 30 in two hours, the stations around from 110 up: as water on an inlet does."""
    city = City()
    for number in range(8):
        for place, name in enumerate(city.names):
            value = 100.0 + 4 * number + place
            if name == "S0" and number >= 6:
                value = 30.0 + number
            city.tell(name, number, {"PM2.5": value, "PM10": value * 1.5})
        city.tick()
    assert {("sudden_drop", "S0~pm25", "open"), ("sudden_drop", "S0~pm10", "open")} == set(
        city.found("sudden_drop")
    )
    said = city.context.entities["urn:ngsi-ld:Alert:environment:sudden_drop:S0~pm25"]
    assert "周边 3 站中位数" in said["description"]["languageMap"]["zh"]
    assert said["evidence"]["json"]["stationsAround"] == 3


def test_a_drop_that_all_have_is_wind() -> None:
    """Everybody falls: nothing is found."""
    city = City()
    for number in range(8):
        for place, name in enumerate(city.names):
            value = (110.0 if number < 6 else 30.0) + place
            city.tell(name, number, {"PM2.5": value, "PM10": value * 1.5})
        city.tick()
    assert city.found("sudden_drop") == []


def test_a_plume_that_is_over_is_no_drop() -> None:
    """What only one station had may well be gone."""
    city = City()
    for number in range(8):
        for place, name in enumerate(city.names):
            value = 140.0 if name == "S0" and number < 6 else 40.0 + number + place
            city.tell(name, number, {"PM2.5": value, "PM10": value * 1.5})
        city.tick()
    assert city.found("sudden_drop") == []


def test_yesterday_told_once_more_is_found() -> None:
    """Twelve hours that are, value by value, those of 24 hours before."""
    city = City()
    for number in range(40):
        for place, name in enumerate(city.names):
            day = number - 24 if name == "S0" and number >= 26 else number
            value = wave(day, place) + (day * 13 % 11) / 10
            city.tell(name, number, {"PM2.5": round(value, 1), "PM10": 150.0 + number})
        city.tick()
    assert city.found("repeated") == [("repeated", "S0~pm25", "open")]
    evidence = city.context.entities["urn:ngsi-ld:Alert:environment:repeated:S0~pm25"]["evidence"]
    assert evidence["json"]["back"] == 24


def test_flags_that_come_when_it_matters_are_found() -> None:
    """Seven hours of maintenance while the stations around are above the limit of the day; the
    same in clean air is maintenance."""
    for level, expected in ((90.0, [("flag_abuse", "S0", "open")]), (20.0, [])):
        city = City()
        for number in range(12):
            for place, name in enumerate(city.names):
                value = {"PM2.5": level + number + place, "PM10": 1.4 * level + number + place}
                marked = name == "S0" and number >= 4
                city.tell(name, number, value, {"PM2.5": "M", "PM10": "M"} if marked else None)
            city.tick()
        assert expected == city.found("flag_abuse")


def test_the_past_told_anew_with_other_values_is_found() -> None:
    """An hour of yesterday changes: raised with what it was and is; the same again is nothing."""
    city = City()
    city.hours(0, 30)
    city.tell("S0", 5)
    city.tick()
    assert city.found("rewritten") == []
    city.tell("S0", 5, {"PM2.5": 12.5})
    city.tick()
    assert city.found("rewritten") == [("rewritten", "S0", "open")]
    told = city.context.entities["urn:ngsi-ld:Alert:environment:rewritten:S0"]["evidence"]["json"]
    assert (told["at"], told["hours"], told["after"]) == ("2026-11-20 05:00", 1, 12.5)
    city.hours(30, 34)
    assert city.found("rewritten")[-1] == ("rewritten", "S0", "cleared")


def test_a_station_that_falls_silent_is_told_when_others_speak() -> None:
    """Four hours without S0; when all are silent nobody is."""
    city = City()
    city.hours(0, 3)
    for number in range(3, 8):
        for name in city.names[1:]:
            city.tell(name, number)
        city.tick(30)
    assert city.found("silent_station") == [("silent_station", "S0", "open")]
    assert city.station("S0")["dataState"]["value"] == "silent"
    city.tell("S0", 8)
    city.tick(30)
    assert city.found("silent_station")[-1] == ("silent_station", "S0", "cleared")
    city.now_us += 20 * 3_600_000_000
    city.tick(30)
    assert len(city.found("silent_station")) == 2


def test_the_usual_values_of_the_stand_are_clean() -> None:
    """The tests above start from air that no limit minds."""
    assert USUAL["PM2.5"] < 35

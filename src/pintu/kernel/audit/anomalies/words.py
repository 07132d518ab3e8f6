"""What is looked for, from which number on it is told, and how it is told."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Kind = Literal[
    "same_person", "counting", "profile", "night", "same_reason", "refused", "glass", "many_persons"
]

KINDS: Final[dict[Kind, dict[str, str]]] = {
    "same_person": {
        "zh": "同一人员反复查看同一个人",
        "en": "One person looked at one person again and again",
    },
    "counting": {"zh": "大量不同的计数查询", "en": "Many different counts in a short time"},
    "profile": {
        "zh": "凭多份协议拼出一个人的画像",
        "en": "A profile put together from many agreements",
    },
    "night": {"zh": "在不常工作的夜间查看", "en": "Looks at night by somebody who works by day"},
    "same_reason": {
        "zh": "理由逐字重复",
        "en": "The same reason, word for word, for many people",
    },
    "refused": {"zh": "连续被拒绝", "en": "Refused again and again"},
    "glass": {"zh": "应急查看", "en": "The glass was broken"},
    "many_persons": {
        "zh": "一天内查看的人数远超平日",
        "en": "Far more people in a day than usual",
    },
}


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """From which number on something is told. The city's auditor sets them; these are for a start.

    `usual` makes a purpose less strange: a doctor sees one patient every day of a stay.
    """

    window_days: int = 30
    same_person_looks: int = 6  # of one person, on this many days
    same_person_days: int = 4
    same_person_in_a_day: int = 10
    usual: dict[str, int] = msgspec.field(
        default_factory=lambda: {"treatment": 4}
    )  # purpose → how many times as much is usual
    counting_in_an_hour: int = 25  # different counts, by one actor on one data set
    profile_agreements: int = 4  # of one organisation about one person
    profile_fields: int = 8
    night_from: int = 22  # o'clock, the town's
    night_to: int = 6
    night_looks: int = 3  # in one night
    night_share: float = 0.15  # of one's looks: who works at night is not strange
    same_reason_persons: int = 30  # different people, in a day
    refused_in_a_quarter: int = 10  # within 15 minutes
    many_persons_times: int = 6  # as many as on one's median day
    many_persons_least: int = 60


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at: who, how often, from when to when, and rows that show it."""

    kind: Kind
    actor: str  # as it acted: person:ID, token:ID; "" where an organisation did
    organisation: str
    count: int
    first_us: int
    last_us: int
    rows: tuple[int, ...]  # numbers, the newest first, at most 20
    title: dict[str, str]
    told: dict[str, str]
    subject: str = ""  # what rows of that year hold for the person it is about
    data_set: str = ""

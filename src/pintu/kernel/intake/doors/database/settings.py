"""What a source of this door may be told, as a page asks for it."""

from __future__ import annotations

from typing import Final, get_args

from pintu.kernel.intake.doors.database.systems import SYSTEMS
from pintu.kernel.intake.doors.database.told import Follow, Tls
from pintu.kernel.intake.doors.words import DoorSetting

SETTINGS: Final = (
    DoorSetting(
        name="system",
        title={"zh": "数据库类型", "en": "System"},
        kind="choice",
        choices=tuple(SYSTEMS),
        default="postgresql",
        required=True,
    ),
    DoorSetting(
        name="host",
        title={"zh": "主机", "en": "Host"},
        kind="address",
        help={
            "zh": "名称或地址。内网地址须由管理员在 egress_allow 中允许。SQLite 不填。",
            "en": "Name or address. One inside your own network must be named in egress_allow."
            " Empty for SQLite.",
        },
    ),
    DoorSetting(
        name="port",
        title={"zh": "端口", "en": "Port"},
        kind="number",
        default="",
        help={"zh": "不填用默认端口。", "en": "Empty: the usual one of the system."},
    ),
    DoorSetting(
        name="database",
        title={"zh": "数据库名", "en": "Database"},
        required=True,
        help={
            "zh": "数据库名；SQLite 为文件路径；Oracle 为服务名。",
            "en": "Its name; for SQLite the file's path, for Oracle the service.",
        },
    ),
    DoorSetting(name="schema", title={"zh": "模式", "en": "Schema"}),
    DoorSetting(
        name="user",
        title={"zh": "账号", "en": "Account"},
        help={"zh": "请用只读账号。", "en": "Ask its owner for one that may only read."},
    ),
    DoorSetting(name="password", title={"zh": "口令", "en": "Password"}, kind="secret"),
    DoorSetting(
        name="tls",
        title={"zh": "加密", "en": "Encryption"},
        kind="choice",
        choices=get_args(Tls),
        default="prefer",
        help={
            "zh": "prefer 能加密就加密；require 必须加密；verify 还核对证书；off 不加密。",
            "en": "prefer: when the server can; require: always; verify: and the certificate is"
            " checked; off: never.",
        },
    ),
    DoorSetting(
        name="ca",
        title={"zh": "根证书（PEM）", "en": "Certificate authority (PEM)"},
        kind="lines",
    ),
    DoorSetting(
        name="table",
        title={"zh": "表或视图", "en": "Table or view"},
        help={
            "zh": "先不填，看过之后再选。",
            "en": "Leave it empty at first: look, then choose.",
        },
    ),
    DoorSetting(
        name="key",
        title={"zh": "主键列", "en": "Key columns"},
        help={
            "zh": "表没有主键或为视图时填写，逗号分隔。",
            "en": "For a view or a table without a primary key: columns that tell rows apart, with"
            " commas.",
        },
    ),
    DoorSetting(
        name="follow",
        title={"zh": "增量方式", "en": "What changed"},
        kind="choice",
        choices=get_args(Follow),
        default="nothing",
        help={
            "zh": "time 按更新时间列；key 按递增的键，只见新行；replication 按 PostgreSQL"
            " 逻辑复制，连删除也能看到；nothing 只定期整表重读。",
            "en": "time: by a column that says when a row changed; key: by a key that grows, new"
            " rows only; replication: by PostgreSQL's logical replication, deletions too;"
            " nothing: everything is read again now and then.",
        },
    ),
    DoorSetting(
        name="column",
        title={"zh": "更新时间列或递增列", "en": "Column to follow"},
        help={"zh": "最好有索引。", "en": "It should have an index."},
    ),
    DoorSetting(
        name="every_s",
        title={"zh": "每隔几秒看一次", "en": "Seconds between looks"},
        kind="number",
        default=1,
    ),
    DoorSetting(
        name="overlap_s",
        title={"zh": "回看秒数", "en": "Seconds to look back"},
        kind="number",
        default=30,
        help={
            "zh": "晚提交的事务最多晚多久。",
            "en": "How late a transaction may commit what it stamped.",
        },
    ),
    DoorSetting(
        name="full_every_h",
        title={"zh": "每隔几小时整表重读", "en": "Hours between readings of everything"},
        kind="number",
        default=24,
        help={
            "zh": "用来发现被删除的行；0 为从不。",
            "en": "Finds rows that were deleted; 0: never.",
        },
    ),
    DoorSetting(
        name="rows_per_second",
        title={"zh": "每秒最多读多少行", "en": "Rows a second at most"},
        kind="number",
        default=0,
        help={"zh": "0 为不限。", "en": "0: no limit."},
    ),
    DoorSetting(
        name="hours",
        title={"zh": "允许读取的时段", "en": "Hours in which it may be read"},
        help={"zh": "如 22:00-06:00，空为全天。", "en": "Like 22:00-06:00; empty: always."},
    ),
    DoorSetting(
        name="statement_timeout_s",
        title={"zh": "单条语句最长秒数", "en": "Seconds one statement may take"},
        kind="number",
        default=30,
    ),
    DoorSetting(
        name="slot",
        title={"zh": "复制槽", "en": "Replication slot"},
        help={"zh": "由数据库所有者建立。", "en": "Made by the owner of the database."},
    ),
    DoorSetting(
        name="publication",
        title={"zh": "发布", "en": "Publication"},
        help={"zh": "由数据库所有者建立。", "en": "Made by the owner of the database."},
    ),
    DoorSetting(
        name="slot_limit_mb",
        title={"zh": "复制槽最多积压（MB）", "en": "Megabytes the slot may hold back"},
        kind="number",
        default=1024,
    ),
)

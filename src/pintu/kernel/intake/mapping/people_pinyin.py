"""Columns of departments' databases are often called by the first letters of their pinyin: `xm` is
姓名, `jhr` 监护人. Three letters are many words, so what the column holds is asked too. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from pintu.kernel.intake.mapping.words import PersonMark

# what hardly means anything else
STRONG: Final[dict[str, tuple[PersonMark, str]]] = {
    "xm": ("name", "姓名"),
    "jhr": ("name", "监护人"),
    "hzxm": ("name", "患者或户主姓名"),
    "sfz": ("id_number", "身份证"),
    "sfzh": ("id_number", "身份证号"),
    "sfzhm": ("id_number", "身份证号码"),
    "sfzjh": ("id_number", "身份证件号"),
    "sfzjhm": ("id_number", "身份证件号码"),
    "zjhm": ("id_number", "证件号码"),
    "gmsfhm": ("id_number", "公民身份号码"),
    "gmsfzh": ("id_number", "公民身份证号"),
    "gmsfzhm": ("id_number", "公民身份证号码"),
    "sjh": ("phone", "手机号"),
    "sjhm": ("phone", "手机号码"),
    "yddh": ("phone", "移动电话"),
    "jtdh": ("phone", "家庭电话"),
    "jtzz": ("address", "家庭住址"),
    "jtdz": ("address", "家庭地址"),
    "hjdz": ("address", "户籍地址"),
    "hkdz": ("address", "户口地址"),
    "hkszd": ("address", "户口所在地"),
    "xzz": ("address", "现住址"),
    "jzdz": ("address", "居住地址"),
    "czdz": ("address", "常住地址"),
    "csrq": ("birth", "出生日期"),
    "csny": ("birth", "出生年月"),
    "csnyr": ("birth", "出生年月日"),
    "yhkh": ("account", "银行卡号"),
    "yhzh": ("account", "银行账号"),
    "sbkh": ("account", "社保卡号"),
    "ybkh": ("account", "医保卡号"),
    "zyh": ("account", "住院号"),
    "mzh": ("account", "门诊号"),
    "blh": ("account", "病历号"),
    "xjh": ("account", "学籍号"),
    "cphm": ("account", "车牌号码"),
    "hphm": ("account", "号牌号码"),
    "gms": ("health", "过敏史"),
    "jws": ("health", "既往史"),
    "zdjg": ("health", "诊断结果"),
}
# what means it beside the others, when its values do not say otherwise
WEAK: Final[dict[str, tuple[PersonMark, str]]] = {
    "lxr": ("name", "联系人"),
    "fzr": ("name", "负责人"),
    "jbr": ("name", "经办人"),
    "fddbr": ("name", "法定代表人"),
    "lxdh": ("phone", "联系电话"),
    "dhhm": ("phone", "电话号码"),
    "lxfs": ("phone", "联系方式"),
    "dh": ("phone", "电话"),
    "zz": ("address", "住址"),
    "dz": ("address", "地址"),
    "xxdz": ("address", "详细地址"),
    "txdz": ("address", "通讯地址"),
    "nl": ("birth", "年龄"),
    "xh": ("account", "学号"),
    "cph": ("account", "车牌号"),
    "zd": ("health", "诊断"),
    "zdmc": ("health", "诊断名称"),
    "jbmc": ("health", "疾病名称"),
    "bqms": ("health", "病情描述"),
}
# whose it is, before it: jhrxm, hz_sfzh, xs_csrq
WHOSE: Final[dict[str, str]] = {
    "jhr": "监护人", "lxr": "联系人", "sqr": "申请人", "cbr": "参保人", "bbr": "被保险人",
    "jbr": "经办人", "dbr": "代办人", "qlr": "权利人", "syr": "使用人", "fzr": "负责人",
    "fddbr": "法定代表人", "hz": "患者或户主", "br": "病人", "xs": "学生", "jz": "家长",
    "fq": "父亲", "mq": "母亲", "po": "配偶", "zn": "子女", "lr": "老人", "jm": "居民",
    "ry": "人员", "yg": "员工", "js": "教师",
}  # fmt: skip
# beside persons, and nothing that marks one
BESIDE: Final[dict[str, str]] = {
    "xb": "性别", "mz": "民族", "bh": "编号", "mc": "名称", "bz": "备注", "gxsj": "更新时间",
    "nj": "年级", "bj": "班级", "xl": "学历",
}  # fmt: skip
LEAST: Final = 0.5  # share of the values that have to fit a weak name
AGAINST: Final = 0.2  # a strong name of which fewer fit means something else

_HAN: Final = re.compile(r"[一-鿿·*]{2,12}")
_PLACE: Final = re.compile(r"[省市区县镇乡村路街巷弄道号栋幢室里园苑组*]")
_FITS: Final[dict[PersonMark, Callable[[str], object]]] = {
    "name": lambda one: _HAN.fullmatch(one) or re.fullmatch(r"[A-Za-z .'-]{4,}", one),
    "id_number": re.compile(r"[A-Za-z0-9*()]{6,20}").fullmatch,
    "phone": re.compile(r"[+\d][\d*\-() /,，、]{5,30}").fullmatch,
    "address": lambda one: len(one) >= 4 and _PLACE.search(one),
    "birth": re.compile(r"(1[89]|20|\*\*)?\d\d[\d*\-/.年月日 :T]{0,20}|\d{1,3}").fullmatch,
    "account": re.compile(r"[一-鿿]?[A-Za-z0-9*-]{4,30}").fullmatch,
    "health": lambda one: re.search(r"[一-鿿A-Za-z*]", one),
}


def in_pinyin(folded: str) -> tuple[PersonMark, str, bool] | None:
    """(mark, what it stands for, whether that is strong) of a folded column name; None: it is no
    such abbreviation."""
    for words, strong in ((STRONG, True), (WEAK, False)):
        found = words.get(folded)
        if found is not None:
            return (*found, strong)
    for whose, zh in WHOSE.items():
        rest = folded.removeprefix(whose)
        found = STRONG.get(rest) or (WEAK.get(rest) if len(whose) > 2 else None)
        if rest != folded and found is not None:
            return found[0], zh + found[1], True
    return None


def fits(mark: PersonMark, examples: Sequence[str]) -> float:
    """The share of the values that may be of that kind; 1 when there are none to judge by."""
    told = [one.strip() for one in examples if one and one.strip()]
    if not told or not mark:
        return 1.0
    return sum(_FITS[mark](one) is not None and bool(_FITS[mark](one)) for one in told) / len(told)

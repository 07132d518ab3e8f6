"""Surnames: those of two characters, and how a surname is read where libraries read it wrongly."""

from __future__ import annotations

from typing import Final

_COMPOUND: Final = (
    "欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 "
    "宗政 濮阳 公冶 太叔 申屠 公孙 慕容 仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 "
    "司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁 拓跋 夹谷 轩辕 令狐 段干 百里 呼延 "
    "东郭 南门 羊舌 微生 公户 公玉 公仪 梁丘 公仲 公上 公门 公山 公坚 左丘 公伯 西门 公祖 "
    "第五 公乘 贯丘 公皙 南荣 东里 东宫 仲长 子书 子桑 即墨 达奚 褚师 纳兰 叶赫 完颜 耶律"
)
COMPOUND: Final = frozenset(_COMPOUND.split())

READ: Final[dict[str, tuple[str, ...]]] = {
    # as a surname, then what libraries and forms make of it
    "曾": ("zeng", "ceng"),
    "仇": ("qiu", "chou"),
    "解": ("xie", "jie"),
    "翟": ("zhai", "di"),
    "区": ("ou", "qu"),
    "单": ("shan", "dan"),
    "朴": ("piao", "pu", "po"),
    "查": ("zha", "cha"),
    "乐": ("yue", "le"),
    "盖": ("ge", "gai"),
    "缪": ("miao", "mou", "miu"),
    "覃": ("qin", "tan"),
    "洗": ("xian", "xi"),
    "冼": ("xian", "xi"),
    "种": ("chong", "zhong"),
    "折": ("she", "zhe"),
    "繁": ("po", "fan"),
    "员": ("yun", "yuan"),
    "贠": ("yun", "yuan"),
    "秘": ("bi", "mi"),
    "纪": ("ji",),
    "任": ("ren",),
    "华": ("hua",),
    "宁": ("ning",),
    "那": ("na",),
    "哈": ("ha",),
    "燕": ("yan",),
    "应": ("ying",),
    "召": ("shao", "zhao"),
    "重": ("chong", "zhong"),
    "黑": ("he", "hei"),
    "句": ("gou", "ju"),
    "逄": ("pang", "feng"),
    "祭": ("zhai", "ji"),
    "能": ("nai", "neng"),
    "佴": ("nai", "er"),
    "乜": ("nie", "mie"),
    "郗": ("xi", "chi"),
    "郄": ("qie", "xi"),
    "隗": ("wei", "kui"),
    "尹": ("yin",),
    "车": ("che", "ju"),
    "柏": ("bai", "bo"),
    "薄": ("bo", "bao"),
    "卜": ("bu", "bo"),
    "藏": ("zang", "cang"),
    "臧": ("zang", "cang"),
    "盛": ("sheng", "cheng"),
    "宓": ("mi", "fu"),
    "晁": ("chao", "zhao"),
    "啜": ("chuai", "chuo"),
    "都": ("du", "dou"),
    "阚": ("kan", "han"),
    "牟": ("mou", "mu"),
    "万俟": ("moqi", "wansi"),
    "尉迟": ("yuchi", "weichi"),
    "澹台": ("tantai", "dantai"),
    "长孙": ("zhangsun", "changsun"),
    "令狐": ("linghu",),
    "亓官": ("qiguan",),
    "乐正": ("yuezheng", "lezheng"),
    "单于": ("chanyu", "danyu", "shanyu"),
    "吕": ("lv", "lu", "lyu"),
    "闾丘": ("lvqiu", "luqiu"),
}
"""Surname → how it is read, first, and what is written for it by mistake."""


def _classes() -> dict[str, str]:
    """Syllable → one name for all that one surname may be written as. 朴 and 繁 share `po`: their
    classes are one."""
    first: dict[str, str] = {}

    def found(one: str) -> str:
        while first.get(one, one) != one:
            one = first[one]
        return one

    for told in READ.values():
        right = found(told[0])
        for one in told:
            first[found(one)] = right
            first.setdefault(one, right)
    return {one: found(one) for one in first}


CLASS: Final[dict[str, str]] = _classes()
"""Syllable of a surname → the class it is looked for in: `ceng` and `zeng` are one."""

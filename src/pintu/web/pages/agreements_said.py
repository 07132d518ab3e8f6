"""What the gate and the room of agreements refuse, in Chinese: data; who reads English is told what
they said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pintu.kernel.errors import PintuError
    from pintu.web.visit import Visit

SENTENCES: Final = tuple(
    (re.compile(english), chinese)
    for english, chinese in (
        (r"Under this agreement one person is looked up at a time: ask '(.+)' for one value",
         r"本协议一次只能查询一人：请只填一个“\1”"),
        (r"Under this agreement one person's rows are listed, not added up",
         "本协议只列出一人的记录，不作汇总"),
        (r"Under this agreement nothing is seen", "本协议下没有可看的内容"),
        (r"Under this agreement nothing is sorted by .*", "本协议下不能这样排序"),
        (r"Agreement (\S+) lets (\d+) calls a minute", r"协议 \1 每分钟最多 \2 次查询，请稍后再试"),
        (r"Agreement (\S+) lets (.*)", r"协议 \1 的用量已达上限（\2），请稍后再试"),
        (r"It lets (\d+) calls a minute: .* in (\d+) minutes of one day",
         r"每分钟最多 \1 次：一天内有 \2 分钟超出"),
        (r"It lets (\d+) different persons a day: .* in (\d+) minutes of one day",
         r"每天最多查询 \1 人：一天内有 \2 分钟超出"),
        (r"It lets (\d+) looks a day at one person .*: .* in (\d+) minutes of one day",
         r"每名工作人员每天最多查看同一人 \1 次：一天内有 \2 分钟超出"),
        (r"It lets (\d+) rows a day: .* in (\d+) minutes of one day",
         r"每天最多 \1 行：一天内有 \2 分钟超出"),
        (r"Agreement '?(\S+?)'? is not in force yet", r"协议 \1 尚未生效"),
        (r"Agreement '?(\S+?)'? is over", r"协议 \1 已到期"),
        (r"Agreement '?(\S+?)'? is for purpose .*", r"协议 \1 约定了另一种用途"),
        (r"Agreement '?(\S+?)'? is not about .*", r"协议 \1 不包括这一数据集"),
        (r"Agreement '?(\S+?)'? does not fit its data set any more: .*",
         r"协议 \1 与数据集已不相符：数据集的字段有变动，请数据专员重新申请"),
        (r"\S+ has no agreement '?(.+?)'? in force", r"没有生效的协议 \1"),
        (r"A call under agreement (\S+) gives its reason", "请填写查看理由"),
        (r"A call lets at most (\d+) rows, (\d+) were asked for",
         r"每次最多 \1 行，您要求了 \2 行"),
        (r"Column (.+) is shown through a mask and cannot be asked by",
         r"“\1”只以遮盖方式显示，不能作为查询条件"),
        (r"This agreement tells counts of (\d+) or more, by .*", r"本协议只给不少于 \1 的计数"),
        (r"Counts under this agreement .*", "本协议下的计数须按约定的字段分组，不能另加条件"),
        (r"Nothing is measured under an agreement .*", "本协议只限单人查询或计数，不提供统计"),
        (r"Rows of persons are looked at for a purpose: name it", "查看个人数据须选择用途"),
        (r"Rows of persons are looked at for a reason: give it", "查看个人数据须填写理由"),
        (r"Data set (.+) tells of persons: it has no owner yet, so nobody reads it",
         r"数据集 \1 涉及个人且没有归属单位，任何人都不能查看"),
        (r"Data set (.+) tells of persons: only its owner.*",
         r"数据集 \1 涉及个人：只有数据主管、数据管理员、经办人和数据专员可以查看"),
        (r"Data set (.+) tells of persons: (.+) looks at them, others under an agreement.*",
         r"数据集 \1 涉及个人：由 \2 查看，其他单位须依据协议"),
        (r"This is another person's record than the one that is yours", "这不是您本人的记录"),
        (r"(\S+) lacks the grant '(.+?)' for .*", r"缺少授权 \2"),
        # --- reasons
        (r"A reason has (\d+) characters; it may have (\d+)", r"理由有 \1 个字，最多 \2 个字"),
        (r"A reason contains characters that cannot be seen", "理由中含有不可见的字符"),
        (r"A reason needs words: .*", "请用文字说明理由"),
        (r"(?:A|The) reason is too short: .*", "理由太短，请简要说明用途"),
        (r"(.+) is not a reason: say what this is for", r"\1 不是理由，请说明用途"),
        (r"The reason (?:says nothing|is .*): .*", "理由没有说明任何内容，请简要说明用途"),
        # --- deeds
        (r"Who requested an agreement cannot approve it, whatever the role",
         "申请人不能批准自己的申请"),
        (r"Who approved an agreement cannot sign it for the other side",
         "批准人不能代表另一方签署"),
        (r"Only an (.+) of (\S+) may do this", r"只有 \2 的相应人员（\1）可以办理"),
        (r"Only an officer, owner or steward of (\S+) may answer",
         r"只有 \1 的数据专员、数据主管或数据管理员可以答复"),
        (r"Recall (\S+) is answered already", r"召回 \1 已答复"),
        (r"A deletion record says how many rows were deleted, from 0 on", "请填写删除了多少行"),
        (r"A deletion record says what was deleted, .*", "请说明删除了什么"),
        (r"Who must keep copies says by which law", "依法保留的，请说明依据何法"),
        (r"Agreement (\S+) is over: ask for a new one", r"协议 \1 已终止，请重新申请"),
        (r"Agreement (\S+) has a next version already that is not decided",
         r"协议 \1 已有一个待决定的新版本"),
        (r"An agreement that is (\w+) cannot be (\w+)", "协议当前状态下不能这样办理"),
        (r"The term of agreement (\S+) is over", r"协议 \1 的期限已过"),
        (r"Data set (.+) has no owner: nobody can decide", r"数据集 \1 没有归属单位，无人可以决定"),
        (r"A person decides on agreements; this is a program", "协议须由人来决定"),
        (r"The log is not there: .*", "日志不可用：须记录的查询一律不予答复"),
    )
)  # fmt: skip
"""A whole sentence, and its Chinese; the first that fits."""


def said(error: PintuError, visit: Visit) -> str:
    """What went wrong, in the visitor's language where somebody knows it."""
    told = error.detail
    if visit.words.lang != "zh-CN":
        return told
    chinese = error.problem().get("zh")
    return str(chinese) if chinese else in_chinese(told)


def in_chinese(told: str) -> str:
    """A refusal in Chinese; as it is when nobody translated it."""
    for english, chinese in SENTENCES:
        found = english.fullmatch(told)
        if found:
            return found.expand(chinese)
    return told

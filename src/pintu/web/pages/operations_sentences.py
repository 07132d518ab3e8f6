"""English sentences of the ledger, of plans and of receipts, and their Chinese: data, and finding
the one that fits. What a person wrote stays as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pintu.kernel.operations.guarding import Guarding

STATES: Final = {
    "held": "待第二人同意",
    "desired": "待发送",
    "sent": "已发送",
    "acknowledged": "已应答",
    "confirmed": "已见效",
    "failed": "失败",
    "timed out": "超时",
    "timed_out": "超时",
    "cancelled": "已撤回",
    "refused": "被拒绝",
    "expired": "逾期未批准",
    "proposed": "待批准",
    "running": "进行中",
    "halted": "因停止而暂停",
    "done": "完成",
    "undoing": "撤回中",
    "undone": "已撤回",
    "approved": "已批准",
    "waiting": "待批准",
    "supervisor": "值班长",
    "duty": "值班员",
    "foreman": "班长",
}
SENTENCES: Final = tuple(
    (re.compile(english), chinese)
    for english, chinese in (
        # --- steps of commands
        (r"no answer after (\d+) attempts", r"发送 \1 次均无应答"),
        (r"no answer", "没有应答，再次发送"),
        (r"no process took it for piece (\S+)", r"模块 \1 没有进程接收"),
        (r"no second person allowed it in time", "第二人未在时限内同意"),
        (r"the effect was not measured in time", "未在时限内测得效果"),
        (r"a later command took its place", "已被之后的命令取代"),
        (r"takes two persons", "需两人同意"),
        (r"commands are stopped", "全部命令已停止"),
        (r"stop: (.*)", r"全部停止：\1"),
        (r"undo: (.*)", r"撤回预案：\1"),
        (r"narrow: (.*)", r"缩小范围：\1"),
        (r"([\d.]+) W measured", r"实测 \1 瓦"),
        (r"The gateway refuses: no reason given", "网关拒绝，未说明原因"),
        (r"The gateway refuses: (.*)", r"网关拒绝：\1"),
        (r"level is not 0\.\.100", "亮度不在 0 至 100 之间"),
        (r"no such lamp here", "此网关下没有这盏灯"),
        (r"not readable", "无法识别"),
        (r"Piece (\S+) has no command (\S+)", r"模块 \1 没有命令 \2"),
        (r"The action failed: (.*)", r"执行出错：\1"),
        (r"Interlock (\S+) of (\S+) is shut: (.*)", r"联锁禁止：\3（\2）"),
        (r"(\S+) is not known: (\S+) cannot be looked at", r"找不到 \1，无法核对联锁 \2"),
        (r"(\S+) was told (\S+) (\d+) times already", r"\1 已在时限内收到 \3 次命令 \2"),
        # --- steps of plans
        (r"(\d+) interlocked: (.*)", r"\1 个被联锁：\2"),
        (r"its condition does not hold", "不满足执行条件"),
        (r"there is nothing it is for", "范围内没有对象"),
        (r"it did not come true in time", "未在时限内满足"),
        (r"nobody here does (\S+?)s?", r"此处无人执行“\1”"),
        (r"nobody takes (\S+) back", r"无人撤回 \1"),
        (r"somebody told it something since", "此后已有人另行下令，保持不变"),
        (r"the ledger forgot it", "命令记录已过保存期"),
        (r"(\d+) of (\d+) not put back: (.*)", r"\2 个中有 \1 个未恢复：\3"),
        (r"(\d+) of (\d+) not put back", r"\2 个中有 \1 个未恢复"),
        (r"(\d+) of (\d+): (.*)", r"\2 个中完成 \1 个：\3"),
        (r"(\d+) of (\d+)", r"\2 个中完成 \1 个"),
        (r"step (\S+): (.*)", r"步骤 \1：\2"),
        (r"the incident is closed", "事件已关闭"),
        (r"warning updated to version (\d+)", r"预警更新至第 \1 版"),
        (r"warning cancelled", "预警已解除"),
        (r"warning expired", "预警已到期"),
        (r"warning replaced", "预警已被替代"),
        # --- what cannot be done now
        (r"A second person must allow this command", "须由第二人同意此命令"),
        (r"A second person must approve these steps", "须由第二人批准这些步骤"),
        (r"A second person must release the stop", "须由第二人解除停止"),
        (r"A program is nobody's second person", "程序不能充当第二人"),
        (r"A program releases no stop", "程序不能解除停止"),
        (r"Commands are stopped: (.*)", r"全部命令已停止：\1"),
        (r"Nothing is stopped", "现在没有停止任何命令"),
        (r"Say why everything is stopped: .*", "请写明停止的原因：解除的人要看"),
        (r"A command that is (.+) cannot (.+)", r"命令现为“\1”，不能这样做"),
        (r"A play that is (.+) cannot (.+)", r"预案现为“\1”，不能这样做"),
        (r"A step that is (.+) cannot (.+)", r"步骤现为“\1”，不能这样做"),
        (r"Command (\S+) is (.+)", r"命令 \1 现为“\2”"),
        (r"A group of steps that is (.+) cannot (.+)", r"这组步骤现为“\1”，不能这样做"),
        (r"Play (\S+) is (.+): nothing of it can be approved", r"预案 \1 现为“\2”，不能再批准"),
        (r"Play (\S+) is (.+): there is nothing to take back", r"预案 \1 现为“\2”，没有可撤回的"),
        (r"Group (\S+) of play (\S+) is (.+) already", r"预案 \2 的步骤组 \1 已是“\3”"),
        (r"The time to approve group (\S+) of play (\S+) is over",
         r"预案 \2 的步骤组 \1 已过批准时限"),
        (r"One of those who approve group (\S+) must be a (\S+)",
         r"批准步骤组 \1 的人中须有一名“\2”"),
        # --- receipts
        (r"Nobody knows a way to this person", "没有此人的联系方式"),
        (r"The way was taken back", "此联系方式已撤销"),
        (r"No answer within ([\d.]+) s", r"\1 秒内没有应答"),
        (r"The channel failed: (.*)", r"渠道出错：\1"),
        (r"Channel (\S+) is not set up", r"渠道 \1 未配置"),
        (r"The mail server may not be reached", "不允许连接该邮件服务器"),
        (r"The mail server has no address", "找不到邮件服务器的地址"),
        (r"The mail server did not answer in ([\d.]+) s", r"邮件服务器在 \1 秒内没有应答"),
        (r"The mail server answered (\d+)", r"邮件服务器应答 \1"),
        (r"The mail server: (.*)", r"邮件服务器出错：\1"),
        (r"The broker may not be reached from here", "不允许连接该 MQTT 代理"),
        (r"The broker did not answer in ([\d.]+) s", r"MQTT 代理在 \1 秒内没有应答"),
        (r"The broker was not reached \((\S+)\)", r"连不上 MQTT 代理（\1）"),
        (r"The browser's keys cannot be read", "浏览器的推送密钥无法识别"),
        (r"The browser does not listen any more", "该浏览器已取消推送"),
        (r"The address may not be reached from here", "不允许访问该地址"),
        (r"The endpoint was not reached \((\S+)\)", r"连不上接收端（\1）"),
        (r"The endpoint answered (\d+) without (.*)", r"接收端应答 \1，但不含 \2"),
        (r"The endpoint answered (\d+)", r"接收端应答 \1"),
    )
)  # fmt: skip
"""A whole sentence, and its Chinese; the first that fits."""
DEEPEST: Final = 3


def in_language(text: str, lang: str, guarding: Guarding | None = None) -> str:
    """A sentence of the kernel in a language; any other as it is. `guarding` knows why interlocks
    are there, in both."""
    if not text or not lang.startswith("zh"):
        return text
    why = guarding.why_of if guarding is not None else None
    return _chinese(text, why, DEEPEST)


def _chinese(text: str, why: Callable[[str], str] | None, deep: int) -> str:
    if text in STATES:
        return STATES[text]
    for pattern, said in SENTENCES if deep else ():
        found = pattern.fullmatch(text)
        if found is not None:
            return _filled(found, said, why, deep)
    return text


def _filled(found: re.Match[str], said: str, why: Callable[[str], str] | None, deep: int) -> str:
    words = [_chinese(one or "", why, deep - 1) for one in found.groups()]
    if found[0].startswith("Interlock ") and why is not None:
        words[2] = why(found[1]) or words[2]
    return re.sub(r"\\(\d)", lambda one: words[int(one[1]) - 1], said)

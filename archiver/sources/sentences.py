"""What the reading process says of a failure, in both languages.

It tells failures in English, in sentences of ours (`failures`, `paging`); a sentence that is
not listed here stays English.
"""

import re
from typing import Final

from archiver.errors import Said

_CHINESE: Final = {
    # What databases complain about.
    "user name or password is wrong": "用户名或密码错误",
    "the user may not use this database": "该用户无权使用此数据库",
    "there is no such database": "没有此数据库",
    "the user may not read what the mapping needs": "该用户无权读取映射所需的内容",
    "there is no table {name}": "没有表 {name}",
    "the source has no column {name}": "数据源没有列 {name}",
    "the server does not accept this host": "服务器不接受本机的连接",
    "the server does not accept this user or host": "服务器不接受此用户或本机的连接",
    "it has no connection left for us": "没有剩余的连接可用",
    "it broke off": "中途断开",
    "a time column is declared with another type's zone": "某时间列声明的时区与其类型不符",
    "the file cannot be opened": "不能打开该文件",
    "the file is no SQLite database": "该文件不是 SQLite 数据库",
    "the file cannot be read now": "该文件目前无法读取",
    "nobody listens there": "该地址无服务监听",
    "the connection failed": "连接失败",
    "the query is not valid for this database": "查询对此数据库无效",
    "the database refused the query": "数据库拒绝了查询",
    "the database driver failed in a way we do not know": "数据库驱动以未知方式失败",
    # What does not fit the mapping.
    'the key is no integer; the mapping needs key_kind = "text"': (
        '键不是整数；映射须写 key_kind = "text"'
    ),
    'the key is no integer below 2^63; the mapping needs key_kind = "text"': (
        '键不是小于 2^63 的整数；映射须写 key_kind = "text"'
    ),
    "the key {name} is NULL in some rows": "键 {name} 在某些行中为 NULL",
    "the key {name} is not unique and ascending": "键 {name} 不是唯一且递增的",
    "the key {name} is not unique": "键 {name} 不唯一",
    "its query returns {name}, which must never be kept": "其查询返回了绝不可保留的 {name}",
    "the URL must begin with mysql, mariadb, postgresql, sqlite or file": (
        "URL 须以 mysql、mariadb、postgresql、sqlite 或 file 开头"
    ),
    # What is wrong with files.
    "there is no file {name}": "没有文件 {name}",
    "{name} is no CSV, TSV, JSONL or Parquet file": "{name} 不是 CSV、TSV、JSONL 或 Parquet 文件",
    "{name} cannot be read": "无法读取 {name}",
    "{name}: there is no header": "{name}：没有表头",
    "{name}: this line is broken": "{name}：该行已损坏",
    "{name}: this line has not as many fields as the header": "{name}：该行的字段数与表头不符",
    "two columns of {name} have the same name, or none": "{name} 中有同名或无名的列",
    "two files of {name} have the same name": "{name} 中有同名文件",
    "a file's columns differ from the first one's: {name}": "某文件的列与第一个文件不同：{name}",
    "the files changed while they were read": "读取期间文件发生了变化",
    # What becomes of the process.
    "nothing came within {name} s": "{name} 秒内没有任何返回",
    "the reading process ended early (code {name})": "读取进程提前结束（代码 {name}）",
}

_PATTERNS: Final = tuple(
    (re.compile(re.escape(english).replace(r"\{name\}", "(.+)")), chinese)
    for english, chinese in _CHINESE.items()
)
_CODE: Final = re.compile(r" \((?:error (?P<number>\d+)|(?P<kind>\w+))\)$")
"""Behind a sentence: the database's own number, or the type of a Python error."""


def said(detail: str) -> Said:
    """Return a failure's sentence in both languages."""
    code = _CODE.search(detail)
    bare = detail[: code.start()] if code else detail
    for pattern, chinese in _PATTERNS:
        if match := pattern.fullmatch(bare):
            name = match[1] if match.re.groups else ""
            behind = ""
            if code:
                behind = f"（错误 {code['number']}）" if code["number"] else f"（{code['kind']}）"
            return Said(detail, chinese.format(name=name) + behind)
    return Said(detail, detail)

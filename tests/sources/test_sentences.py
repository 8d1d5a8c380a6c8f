"""What the reading process says is told in both languages."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.sources import failures, sentences

SOURCES = Path(sentences.__file__).parent
GAP = "1054"
"""A database's number, and a name as well."""


def text_of(value: ast.expr) -> str:
    """Return what a literal says, with a number in each gap; empty for anything else."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(
                str(one.value) if isinstance(one, ast.Constant) else GAP for one in parts
            )
        case _:
            return ""


def told() -> Iterator[str]:
    """Yield every sentence that reading can end in."""
    for path in sorted(SOURCES.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="ReadError"), args=[_, detail]):
                    yield text_of(detail)
                case ast.Call(func=ast.Name(id="Failure"), keywords=[_, ast.keyword(value=detail)]):
                    yield text_of(detail)
                case ast.Assign(targets=[ast.Name(id="detail")], value=detail):
                    yield text_of(detail)
                case _:
                    pass
    yield from (text.format(name=GAP) for _, _, text in failures._KNOWN)


@pytest.mark.parametrize("sentence", sorted({one for one in told() if one}))
def test_every_sentence_of_reading_has_its_chinese(sentence: str) -> None:
    said = sentences.said(sentence)

    assert said.en == sentence
    assert said.zh != sentence
    assert (GAP in said.zh) == (GAP in sentence)


@pytest.mark.parametrize(
    ("sentence", "chinese"),
    [
        ("there is no table orders (error 1146)", "没有表 orders（错误 1146）"),
        (
            "the database driver failed in a way we do not know (RuntimeError)",
            "数据库驱动以未知方式失败（RuntimeError）",
        ),
        ("the reading process ended early (code -9)", "读取进程提前结束（代码 -9）"),
        ("the key (a (b) is not unique", "键 (a (b) 不唯一"),
        ("what nobody has foreseen (error 1)", "what nobody has foreseen (error 1)"),
    ],
)
def test_names_and_numbers_stay(sentence: str, chinese: str) -> None:
    assert sentences.said(sentence).zh == chinese

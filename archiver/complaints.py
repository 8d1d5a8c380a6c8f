"""What pydantic complains about, in both languages: the place, and a sentence without the value.

Pure. English is pydantic's own; a complaint that is not listed here stays English.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from archiver.errors import Said

_CHINESE: Final = {
    "bool_type": "应为 true 或 false",
    "date_type": "应为日期",
    "dict_type": "应为表",
    "extra_forbidden": "未知项",
    "float_type": "应为数字",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "应不小于 {ge}",
    "int_type": "应为整数",
    "less_than": "应小于 {lt}",
    "less_than_equal": "应不大于 {le}",
    "list_type": "应为列表",
    "literal_error": "应为 {expected} 之一",
    "missing": "缺少此项",
    "model_type": "应为表",
    "string_pattern_mismatch": "应符合 {pattern}",
    "string_too_long": "至多 {max_length} 个字符",
    "string_too_short": "至少 {min_length} 个字符",
    "string_type": "应为字符串",
    "time_parsing": "应为 HH:MM 形式的时刻",
    "time_type": "应为时刻",
    "too_short": "至少须有 {min_length} 项",
    "tuple_type": "应为列表",
}
"""By the type of the error (pydantic's documentation, "Validation Errors")."""


def complaints(error: ValidationError) -> Sequence[tuple[tuple[int | str, ...], Said]]:
    """Return each complaint with the place that it is about.

    What was given there is not repeated: it may be a secret.
    """
    problems = error.errors(include_input=False, include_url=False)
    return [(problem["loc"], Said(problem["msg"], _in_chinese(problem))) for problem in problems]


def _in_chinese(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, ValueError) and isinstance(cause.args[0], Said):  # a validator of ours
        return cause.args[0].zh
    template = _CHINESE.get(problem["type"])
    if template is None:
        return problem["msg"]
    return template.format(**context).replace(" or ", " 或 ")

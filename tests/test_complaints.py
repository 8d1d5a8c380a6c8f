"""What is wrong with a configuration is said in both languages, without what was given."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from archiver.complaints import complaints
from archiver.configuration import parse_configuration
from archiver.errors import ConfigurationError, MappingError, Said
from archiver.mapping import parse_mapping

SECRET = "hunter2"


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Section(Part):
    name: Annotated[str, Field(min_length=2, max_length=3, pattern="^[a-z]+$")] = "abc"
    days: Annotated[int, Field(ge=1, le=9)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    role: Literal["platform", "shop"] = "shop"
    on: bool = True
    parts: Annotated[list[int], Field(min_length=1)] = [1]
    part: Part = Part()
    zone: str = ""

    @field_validator("zone")
    @classmethod
    def _exists(cls, zone: str) -> str:
        if zone:
            message = Said("no such zone", "没有此时区")
            raise ValueError(message)
        return zone


@pytest.mark.parametrize(
    ("field", "given", "chinese"),
    [
        ("name", 1, "应为字符串"),
        ("name", "a", "至少 2 个字符"),
        ("name", SECRET, "至多 3 个字符"),
        ("name", "A-1", "应符合 ^[a-z]+$"),
        ("days", SECRET, "应为整数"),
        ("days", 0, "应不小于 1"),
        ("days", 10, "应不大于 9"),
        ("share", SECRET, "应为数字"),
        ("share", 0.0, "应大于 0.0"),
        ("share", 1.0, "应小于 1.0"),
        ("role", SECRET, "应为 'platform' 或 'shop' 之一"),
        ("on", SECRET, "应为 true 或 false"),
        ("parts", SECRET, "应为列表"),
        ("parts", [], "至少须有 1 项"),
        ("part", SECRET, "应为表"),
        ("zone", SECRET, "没有此时区"),
        ("nmae", SECRET, "未知项"),
    ],
)
def test_a_complaint_is_made_in_both_languages_without_the_value(
    field: str, given: object, chinese: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Section.model_validate({field: given})
    [(place, said)] = complaints(caught.value)
    assert (place, said.zh) == ((field,), chinese)
    assert said.en == caught.value.errors()[0]["msg"]
    assert SECRET not in said.en


def test_a_configuration_is_refused_in_the_readers_language() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration({"archive": {"nmae": SECRET, "timezone": "Mars/Base"}})
    english, chinese = caught.value.text("en"), caught.value.text("zh")
    assert "[archive] nmae: Extra inputs are not permitted; [store]: Field required" in english
    assert "[archive] timezone：没有名为 Mars/Base 的时区" in chinese
    assert "[archive] nmae：未知项；[store]：缺少此项" in chinese
    assert SECRET not in english + chinese


def test_a_mapping_is_refused_in_the_readers_language() -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping("name = 1", source="main")
    assert caught.value.text("en") == "Mapping of source main: name: Input should be a valid string"
    assert caught.value.text("zh") == "数据源 main 的映射有误：name：应为字符串"

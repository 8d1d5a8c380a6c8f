"""What people are shown was named by others, who may have the bucket's credentials."""

import io

from archiver.errors import Exit
from cli.report import Alarm, Report
from cli.screen import console_on, plain, show_alarms
from cli.texts import Words


def test_control_codes_in_a_key_are_shown_and_not_obeyed() -> None:
    key = "orders/\x1b[2Jx\r\u202e\u200b［全部正常］"
    shown = io.StringIO()
    alarm = Alarm(code="orphan", message=f"{key} is hidden", next=f"aws s3api --key '{key}'")
    show_alarms(console_on(shown), Report(exit=Exit.ALARM, alarms=[alarm]), Words("en"))
    assert "orders/\\x1b[2Jx\\r\\u202e\\u200b［全部正常］" in shown.getvalue()
    for text in (shown.getvalue(), plain(key)):
        assert not {"\x1b", "\r", "\u202e", "\u200b"} & set(text)
    assert plain("夜间　任务\n\tok") == "夜间　任务\n\tok"

from io import BytesIO
from itertools import count

import pytest

from archiver.errors import StoreError
from archiver.stores.memory import MemoryStore
from tests.clock import NOON, FrozenClock
from tests.faults import Count, FaultyStore
from tests.store_contract import KEY

LATER = NOON.replace(year=2029)


@pytest.mark.parametrize("lost_reply", [False, True])
def test_each_call_fails_once_and_is_done_only_if_its_reply_is_lost(lost_reply: bool) -> None:
    done = []
    for fail_at in count():
        real = MemoryStore(clock=FrozenClock())
        store = FaultyStore(real, fail_at=fail_at, lost_reply=lost_reply)
        try:
            stored = store.put(KEY, BytesIO(b"1"), retain_until=LATER)
            store.head(KEY, stored.version_id)
            store.get(KEY)
            list(store.list_versions(""))
            store.settings()
        except StoreError:
            assert store.calls == fail_at + 1
            done.append(bool(list(real.list_versions(""))))
        else:
            break
    assert done == [lost_reply, True, True, True, True]


def test_puts_are_counted_by_kind() -> None:
    store = Count(MemoryStore(clock=FrozenClock()))

    for key in ("orders/a", "orders/b", "manifests/1"):
        store.put(key, BytesIO(key.encode()), retain_until=LATER)
    store.get("orders/a")

    assert store.puts == {"orders": 2, "manifests": 1}
    assert store.calls == {"put": 3, "get": 1}

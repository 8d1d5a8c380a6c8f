import subprocess
import sys

PROGRAM = """
import re, pathlib
import pyarrow as pa
from archiver.allocation import return_freed_memory, return_the_rest

def held():
    return int(re.search(r"RssAnon:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

return_freed_memory(arenas=1)
assert pa.default_memory_pool().backend_name == "system"
before = held()
# Pieces too small to be given back by themselves, with something between them that stays.
pieces, stay = [], []
for _ in range(100):
    pieces.append(pa.array(range(100_000), pa.int64()))
    stay.append(pa.array(range(100), pa.int64()))
taken = held() - before
del pieces
return_the_rest()
print(taken, held() - before)
"""


def test_what_is_freed_between_pieces_in_use_goes_back_to_the_system() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    taken, kept = map(int, told.stdout.split())
    assert taken > 75_000
    assert kept < taken / 5

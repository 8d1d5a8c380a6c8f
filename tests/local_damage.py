"""What can become of a host's local files."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def _delete_all(index: Path, _older: Path) -> None:
    shutil.rmtree(index)


def _delete_known(index: Path, _older: Path) -> None:
    shutil.rmtree(index / "known")


def _delete_manifests(index: Path, _older: Path) -> None:
    shutil.rmtree(index / "manifests")


def _delete_pointer(index: Path, _older: Path) -> None:
    (index / "known" / "current.json").unlink()


def _delete_a_known_file(index: Path, _older: Path) -> None:
    next((index / "known").glob("*.arrow")).unlink()


def _roll_back(index: Path, older: Path) -> None:
    shutil.rmtree(index)
    shutil.copytree(older, index)


def _roll_back_known(index: Path, older: Path) -> None:
    shutil.rmtree(index / "known")
    shutil.copytree(older / "known", index / "known")


def _roll_back_the_pointer(index: Path, older: Path) -> None:
    shutil.copy(older / "known" / "current.json", index / "known" / "current.json")


def _halve(pattern: str) -> Callable[[Path, Path], None]:
    def damage(index: Path, _older: Path) -> None:
        for path in sorted(index.glob(pattern)):
            os.truncate(path, path.stat().st_size // 2)

    return damage


def _empty(pattern: str) -> Callable[[Path, Path], None]:
    def damage(index: Path, _older: Path) -> None:
        for path in sorted(index.glob(pattern)):
            os.truncate(path, 0)

    return damage


def _zeros(pattern: str) -> Callable[[Path, Path], None]:
    def damage(index: Path, _older: Path) -> None:
        for path in sorted(index.glob(pattern)):
            path.write_bytes(bytes(path.stat().st_size))

    return damage


def _nonsense(index: Path, _older: Path) -> None:
    (index / "known" / "current.json").write_text('{"archive": 5, "through": "x", "files": 7}')


def _another_archives(index: Path, _older: Path) -> None:
    pointer = index / "known" / "current.json"
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {"archive": "0" * 32}))


def _flip_manifests(index: Path, _older: Path) -> None:
    for path in (index / "manifests").iterdir():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"A", b"B", 1))


DAMAGES = {
    "all deleted": _delete_all,
    "known orders deleted": _delete_known,
    "manifests deleted": _delete_manifests,
    "pointer deleted": _delete_pointer,
    "a known file deleted": _delete_a_known_file,
    "all rolled back": _roll_back,
    "known orders rolled back": _roll_back_known,
    "pointer rolled back": _roll_back_the_pointer,
    "pointer half written": _halve("known/current.json"),
    "pointer empty": _empty("known/current.json"),
    "pointer nonsense": _nonsense,
    "pointer of another archive": _another_archives,
    "known files half written": _halve("known/*.arrow"),
    "known files empty": _empty("known/*.arrow"),
    "known files zeros": _zeros("known/*.arrow"),
    "manifests half written": _halve("manifests/*.json"),
    "manifests empty": _empty("manifests/*.json"),
    "manifests zeros": _zeros("manifests/*.json"),
    "manifests altered": _flip_manifests,
}

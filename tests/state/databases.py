"""A state database of each kind, empty."""

from pathlib import Path

from archiver.state import State, open_state
from tests.servers.postgres import PostgresDatabase


def shared_state(database: PostgresDatabase) -> State:
    """Open the state in a PostgreSQL database, as its administrator."""
    url = f"postgresql://{database.admin}@{database.host}:{database.port}/{database.name}"
    return open_state(url, Path(), database.admin_password)


def own_state(folder: Path) -> State:
    """Open the state in a file below `folder`."""
    return open_state("sqlite:///state.db", folder)

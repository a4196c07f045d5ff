"""Shared by the tests of the tables: generated logs, and the real ones where this machine has them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

REAL_LOGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "logs"


@pytest.fixture(scope="session")
def real_logs() -> Path:
    """The folder of real logs beside the project."""
    if not REAL_LOGS.is_dir():
        pytest.skip("no real logs on this machine: ../shared/data/logs is missing")
    return REAL_LOGS


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))

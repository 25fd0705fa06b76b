"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of the project, with the Rust sources, the vectors and the examples."""
    return Path(__file__).resolve().parents[2]

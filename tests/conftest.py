"""Registers every fixture plugin: each `tests/fix_*.py` is one, named after the real part that it provides."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite(*(f"tests.{file.stem}" for file in Path(__file__).parent.glob("fix_*.py")))
pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fix_*.py"))]

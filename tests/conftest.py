"""Registers every fixture plugin: each `tests/fix_*.py` is one, named after the real part that it provides."""

from __future__ import annotations

from pathlib import Path

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fix_*.py"))]

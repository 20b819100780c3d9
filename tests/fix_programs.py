"""Tests that need a program which is not part of the project: collected where it is installed, left out where it is not.

A test says so with `@pytest.mark.needs("wrk")`. Nothing is ever skipped: a run shows how many tests it left out.
"""

from __future__ import annotations

import shutil

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [
        item for item in items if any(shutil.which(name) is None for mark in item.iter_markers("needs") for name in mark.args)
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _needed(item: pytest.Item) -> list[str]:
    return [program for mark in item.iter_markers("needs") for program in mark.args]

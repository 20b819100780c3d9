"""Reads `matrix.txt`, the decisions that are expected of the shipped policies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from google.protobuf import descriptor_pb2

from dispatch_service.policy.contract import Vocabulary, vocabulary_of
from service_kit.contract.image import image_path

KINDS = ("human", "service", "model")
ROLES = {
    "operator": "operator",
    "customer": "customer",
    "visitor": "visitor",
    "service": "service",
    "agent": "agent",
    "other": "caretaker",
    "empty": "",
}
TIERS = {"none": "", "T1": "T1", "T2": "T2", "T3": "T3"}
_FILE = Path(__file__).with_name("matrix.txt")


@dataclass(frozen=True, order=True)
class Cell:
    """One caller and one action, in the table's words."""

    kind: str
    role: str
    tier: str
    action: str


def shipped() -> Vocabulary:
    """The contract that is shipped, whatever else tests have made importable."""
    return vocabulary_of(descriptor_pb2.FileDescriptorSet.FromString(image_path().read_bytes()))


def everything() -> list[Cell]:
    """Every combination that there is: actions are the contract's."""
    actions = [action.id for action in shipped().actions]
    return [Cell(*combination) for combination in product(KINDS, ROLES, TIERS, actions)]


def table() -> dict[Cell, list[str]]:
    """What the table says of each combination that it names: one word, unless it contradicts itself."""
    found: dict[Cell, list[str]] = {}
    columns: dict[str, str] = {}
    section = ""
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 1:
            section = words[0]
        elif section == "columns" and words:
            columns[words[0]] = words[1]
        elif words:
            kind, role, tiers, *expected = words
            for tier in TIERS if tiers == "any" else [tiers]:
                for action, word in zip(columns.values(), expected, strict=True):
                    found.setdefault(Cell(kind, role, tier, action), []).append(word)
    return found

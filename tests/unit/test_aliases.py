"""Names of tools for models: one each, of the form that models' APIs take, whatever the tools are called."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatch_service.aliases import LENGTH, AliasTable, alias_of
from service_kit.contract.tools import tools

FORM = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
ANY_NAME = st.text(max_size=140)
# Where the forms meet: underscores around the border, and what looks like a hash.
NEAR_NAME = st.text(alphabet="ab_.", max_size=6)
LONG_NAME = st.builds(lambda head, tail: head * 60 + tail, st.sampled_from("ab"), st.text(alphabet="ab", max_size=2))
NAME = st.one_of(ANY_NAME, NEAR_NAME, LONG_NAME)


class Tool(NamedTuple):
    """A tool as far as its name goes."""

    server: str
    name: str


@given(st.sets(st.builds(Tool, server=NAME, name=NAME), max_size=30))
@example({Tool("a_", "b"), Tool("a", "_b"), Tool("a", "b"), Tool("a__b", "c"), Tool("a", "b__c")})
@example({Tool("s", "a.b"), Tool("s", "a_b"), Tool("s", alias_of("s", "a.b").removeprefix("s__"))})
def test_every_tool_of_any_set_has_a_name_of_its_own_that_finds_it(found: set[Tool]) -> None:
    names = {alias_of(tool.server, tool.name): tool for tool in found}
    assert len(names) == len(found)
    assert all(FORM.match(name) for name in names)
    table = AliasTable(found)
    assert {name: table.find(name) for name in names} == names


def test_a_name_that_fits_is_kept_and_one_that_does_not_ends_in_a_hash() -> None:
    assert alias_of("jira", "create_ticket") == "jira__create_ticket"
    assert re.fullmatch(r"jira__create_ticket_[0-9a-f]{10}", alias_of("jira", "create.ticket"))
    assert len(alias_of("jira", "t" * 128)) == LENGTH


def test_a_name_is_looked_up_and_never_taken_apart() -> None:
    table = AliasTable([Tool("jira", "create_ticket")])
    assert table.find("jira__create_ticket") is not None
    assert table.find("jira__delete_ticket") is None
    assert table.find("create_ticket") is None


@pytest.mark.parametrize(("server", "name"), sorted(tools()))
def test_the_names_of_the_contracts_tools_still_show_what_they_are_called(server: str, name: str) -> None:
    assert alias_of(server, name).startswith(f"{server}__{name.replace('.', '_')}"[:53])

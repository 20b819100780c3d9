"""The catalogue of tools: what was last known stays, what changed is noticed, and what a stranger says is believed in nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from switchboard.options.v1 import options_pb2
from switchboard.registry.v1 import server_registry_service_pb2 as pb

from dispatch_service.adapter import AdapterAway
from dispatch_service.call import Refusal
from dispatch_service.foreign import CHANGED, ToolCatalogue
from dispatch_service.foreign.arguments import ForeignArguments
from dispatch_service.policy import PolicyAction
from dispatch_service.principal import Principal
from service_kit.contract.tools import tools

OLGA = Principal(tenant="demo", subject="olga", kind="human", role="operator")
ROBOT = Principal(tenant="demo", subject="robot", kind="model", role="agent")
READ, WRITE = options_pb2.EFFECT_READ, options_pb2.EFFECT_WRITE
FREE = options_pb2.PERMISSION_LEVEL_UNRESTRICTED


class Register:
    """A register that a test scripts, and what it was asked."""

    def __init__(self) -> None:
        self.found: dict[str, pb.RegisteredServer] = {}
        self.away = False
        self.read: list[str] = []
        self.told: list[Mapping[str, PolicyAction]] = []
        self.catalogue = ToolCatalogue(servers=self, registry=self, changed=self.told.append)

    def put(self, name: str, *listed: pb.RegisteredTool, version: int = 1, at: int = 1) -> None:
        """Have a server in place of what had its name."""
        server = pb.RegisteredServer(name=name, version=version, tools=listed)
        server.registered_at.seconds = at
        self.found[name] = server

    async def servers(self) -> frozenset[str]:
        """No server of the contract's is there."""
        return frozenset()

    async def registered(self) -> list[pb.RegisteredServer]:
        """Every server without its tools."""
        if self.away:
            raise AdapterAway("UNAVAILABLE")
        return [
            pb.RegisteredServer(name=one.name, version=one.version, registered_at=one.registered_at)
            for one in self.found.values()
        ]

    async def server(self, name: str) -> pb.RegisteredServer | None:
        """One with its tools."""
        self.read.append(name)
        return self.found.get(name)


def told(name: str = "find", **fields: Any) -> pb.RegisteredTool:
    """A tool as the register has it, enabled for everybody unless told otherwise."""
    schema = fields.pop("input_schema", {"type": "object"})
    known: dict[str, Any] = {"name": name, "pin": "sha256:1", "drift": pb.DRIFT_NONE, "enabled_for_all": True, **fields}
    tool = pb.RegisteredTool(**known)
    tool.input_schema.update(schema)
    return tool


@pytest.fixture
def register() -> Register:
    return Register()


async def test_before_the_register_was_read_only_servers_of_the_contract_are_known(register: Register) -> None:
    assert register.catalogue.knows("housecall_pro")
    assert not register.catalogue.knows("jira")
    register.away = True
    await register.catalogue.refresh()
    assert not register.catalogue.knows("jira")
    register.away = False
    await register.catalogue.refresh()
    assert register.catalogue.knows("jira")


async def test_while_the_adapter_is_away_what_was_last_known_stays(register: Register) -> None:
    register.put("jira", told())
    await register.catalogue.refresh()
    register.away = True
    register.found.clear()
    await register.catalogue.refresh()
    assert register.catalogue.find_for(OLGA, "jira", "find") is not None
    register.away = False
    await register.catalogue.refresh()
    assert register.catalogue.find_for(OLGA, "jira", "find") is None
    assert register.told[-1] == {}


async def test_only_what_has_changed_is_read_again(register: Register) -> None:
    register.put("jira", told())
    register.put("wiki", told())
    await register.catalogue.refresh()
    await register.catalogue.refresh()
    assert register.read == ["jira", "wiki"]
    register.put("wiki", told(sensitive=True), version=2)
    await register.catalogue.refresh()
    assert register.read == ["jira", "wiki", "wiki"]
    assert len(register.told) == 2
    # Removed, and another registered under its name, between two looks.
    register.put("jira", told("other"), version=1, at=2)
    await register.catalogue.refresh()
    assert [spec.name for spec in await register.catalogue.tools_for(OLGA)] == ["other", "find"]


async def test_a_register_that_does_not_count_versions_is_read_every_time(register: Register) -> None:
    register.put("jira", told(), version=0)
    await register.catalogue.refresh()
    await register.catalogue.refresh()
    assert register.read == ["jira", "jira"]
    assert len(register.told) == 1


async def test_a_tool_is_there_for_those_for_whom_it_is_enabled(register: Register) -> None:
    register.put(
        "jira", told("all"), told("some", enabled_for_all=False, enabled_for=["robot"]), told("none", enabled_for_all=False)
    )
    await register.catalogue.refresh()
    there = {who.subject: [spec.name for spec in await register.catalogue.tools_for(who)] for who in (OLGA, ROBOT)}
    assert there == {"olga": ["all"], "robot": ["all", "some"]}
    assert register.catalogue.find_for(OLGA, "jira", "some") is None
    assert register.catalogue.find("jira", "none") is not None
    assert register.told[-1]["tool/jira/none"].enabled_for == frozenset()


async def test_what_is_not_as_it_was_pinned_is_there_and_not_called(register: Register) -> None:
    drifts = (pb.DRIFT_CHANGED, pb.DRIFT_GONE, pb.DRIFT_UNUSABLE, pb.DRIFT_UNSPECIFIED)
    register.put("jira", *(told(f"tool{drift}", drift=drift) for drift in drifts), told("new", drift=pb.DRIFT_NEW, pin=""))
    await register.catalogue.refresh()
    assert await register.catalogue.tools_for(OLGA) == []
    assert len(register.catalogue.unavailable_for(OLGA)) == len(drifts)
    assert register.catalogue.find_for(OLGA, "jira", "new") is None
    changed = register.catalogue.find("jira", f"tool{pb.DRIFT_CHANGED}")
    assert changed is not None
    assert register.catalogue.unavailable(changed) == CHANGED


async def test_a_tool_that_nobody_configured_is_taken_for_the_worst(register: Register) -> None:
    register.put(
        "jira", told("unknown"), told("known", effect=READ, permission=FREE), told("writes", effect=WRITE, permission=FREE)
    )
    await register.catalogue.refresh()
    groups = {name.rpartition("/")[2]: action.groups for name, action in register.told[-1].items()}
    assert groups == {
        "unknown": ("tool", "level/requires_authorization", "effect/destructive", "server/jira", "foreign"),
        "known": ("tool", "level/unrestricted", "effect/read", "server/jira", "foreign"),
        "writes": ("tool", "level/unrestricted", "effect/write", "server/jira", "foreign"),
    }


async def test_a_server_that_calls_itself_like_one_of_ours_is_not_there(register: Register) -> None:
    name = "housecall_pro.create_booking"
    register.put("housecall_pro", told(name), told("new"))
    await register.catalogue.refresh()
    assert register.catalogue.find("housecall_pro", name) is tools()["housecall_pro", name]
    assert register.catalogue.find("housecall_pro", "new") is None


async def test_what_a_server_says_of_its_tools_is_cleaned_and_cut(register: Register) -> None:
    register.put("jira", told(title="Fi\u202end\n\x07it" * 100, description="\u202eEvil\x00 " + "x" * 9000))
    await register.catalogue.refresh()
    spec = register.catalogue.find("jira", "find")
    assert spec is not None
    assert (len(spec.title), len(spec.description)) == (120, 4000)
    assert not {"\u202e", "\x00", "\x07", "\n"} & set(spec.title + spec.description)


async def test_a_revision_is_the_pin(register: Register) -> None:
    register.put("jira", told(pin="sha256:7"))
    await register.catalogue.refresh()
    spec = register.catalogue.find("jira", "find")
    assert spec is not None
    assert register.catalogue.revision_of(spec) == "sha256:7"


HOSTILE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "pattern": "^(a+)+$"},
        "deep": {"$ref": "#/$defs/deep"},
        "union": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "when": {"type": ["string", "null"]},
    },
    "$defs": {"deep": {"type": "object", "properties": {"deep": {"$ref": "#/$defs/deep"}}, "required": ["deep"]}},
}


async def wrong(register: Register, document: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What is said of arguments: where, which rule, and whether the names in it are the schema's."""
    spec = register.catalogue.find("jira", "find")
    assert spec is not None
    found = await ForeignArguments(register.catalogue).problems(spec, document, "arguments")
    return [(problem.path, problem.rule, problem.known) for problem in found]


async def test_a_hostile_schema_costs_little_whatever_is_sent(register: Register) -> None:
    register.put("jira", told(input_schema=HOSTILE))
    await register.catalogue.refresh()
    assert await wrong(register, {"pattern": "a" * 5000 + "!"}) == []
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"deep": deep}
    [(path, rule, known)] = await wrong(register, deep)
    assert path.startswith("arguments.deep.deep.")
    assert (rule, known) == ("required", True)
    assert sorted(await wrong(register, {"union": [], "when": 7})) == [
        ("arguments.union", "anyOf", True),
        ("arguments.when", "type", True),
    ]


async def test_a_number_that_json_does_not_have_is_refused(register: Register) -> None:
    register.put("jira", told())
    await register.catalogue.refresh()
    assert await wrong(register, {"a": [{"b": float("nan")}]}) == [("arguments", "type", True)]


async def test_names_that_the_caller_made_up_are_told_apart(register: Register) -> None:
    register.put("jira", told(input_schema={"type": "object", "additionalProperties": {"type": "string"}}))
    await register.catalogue.refresh()
    assert await wrong(register, {"Mrs Okonkwo": 7}) == [('arguments."Mrs Okonkwo"', "type", False)]


async def test_arguments_for_what_a_tool_was_before_are_not_checked_against_what_it_is(register: Register) -> None:
    register.put("jira", told())
    await register.catalogue.refresh()
    before = register.catalogue.find("jira", "find")
    register.put("jira", told(pin="sha256:2"), version=2)
    await register.catalogue.refresh()
    assert before is not None
    with pytest.raises(Refusal) as refused:
        await ForeignArguments(register.catalogue).problems(before, {}, "arguments")
    assert (refused.value.code, refused.value.details) == ("CONFLICT", CHANGED)

"""Policy files as they lie in a directory: statements with their places, and everything that is wrong with them.

Above: `ruleset`, and `switchboard policy check`. Below: cedarpy's parser and validator.

Cedar's own messages say neither file nor line, so a file is taken apart into its statements first and each is parsed by itself.
Beyond Cedar's rules we ask for ours: an `@id` on every policy, a `@reason` on every forbid, annotations that keep their promise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy
import orjson

BASE = "base.cedar"
GRANT_TEMPLATE = "base.grant"
REASONING, AUTHORIZATION = "reasoning", "authorization"

_ANNOTATIONS = frozenset({"id", "reason", "lifted_by", "hidden"})
_LIFTED_WITH = {REASONING: "reasoning", AUTHORIZATION: "authorized"}
_ID = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
# A statement's pieces that matter for finding its end: comments and strings may hold semicolons.
_PIECE = re.compile(r'//[^\n]*|"(?:[^"\\\n]|\\.)*"|;|[^\s"/;]+|.', re.DOTALL)


class PoliciesUnusable(Exception):
    """The policies cannot be used; the message has a line for each problem, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """One policy or template: Cedar's JSON form in `body`, and its annotations. `place` is `file:line`."""

    id: str
    place: str
    forbids: bool
    template: bool
    reason: str
    lifted_by: str
    hidden: bool
    body: Mapping[str, Any]


def read_policies(directory: Path, schema: cedarpy.Schema) -> tuple[Policy, ...]:
    """Read every `*.cedar` file of `directory`, in the order of names and places. Raises PoliciesUnusable."""
    try:
        texts = {path: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.cedar"))}
    except UnicodeDecodeError:
        raise PoliciesUnusable([f"{directory}: a policy file is not UTF-8"]) from None
    except OSError as problem:
        raise PoliciesUnusable([f"{problem.filename or directory}: cannot be read ({problem.strerror})"]) from None
    # Without the rules that hold for everything, what is left would allow more than anybody meant.
    if directory / BASE not in texts:
        raise PoliciesUnusable([f"{directory}: there is no {BASE}; see SWITCHBOARD_POLICY_DIRECTORY"])
    found: list[Policy] = []
    problems: list[str] = []
    for path, text in texts.items():
        for line, statement in statements(text):
            place = f"{_shown(path)}:{line}"
            policy, objections = _read(statement, place, schema)
            problems += [f"{place}: {objection}" for objection in objections]
            found += [policy] if policy else []
    problems += _of_the_whole(found, directory)
    if problems:
        raise PoliciesUnusable(problems)
    return tuple(found)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Take a file apart: each statement with the number of the line that it begins on."""
    begin = None
    for piece in _PIECE.finditer(text):
        if piece[0].isspace() or piece[0].startswith("//"):
            continue
        if begin is None:
            begin = piece.start()
        if piece[0] == ";":
            yield text.count("\n", 0, begin) + 1, text[begin : piece.end()]
            begin = None
    if begin is not None:
        yield text.count("\n", 0, begin) + 1, text[begin:]


def _read(statement: str, place: str, schema: cedarpy.Schema) -> tuple[Policy | None, list[str]]:
    try:
        parsed = orjson.loads(cedarpy.policies_to_json_str(statement))
    except ValueError as problem:
        return None, [f"not Cedar: {problem}"]
    kinds = [(body, template) for template in (False, True) for body in _bodies(parsed, template=template)]
    if len(kinds) != 1:
        return None, ["not one policy"]
    body, template = kinds[0]
    annotations: dict[str, str | None] = body.get("annotations", {})
    policy = Policy(
        id=annotations.get("id") or "",
        place=place,
        forbids=body["effect"] == "forbid",
        template=template,
        reason=annotations.get("reason") or "",
        lifted_by=annotations.get("lifted_by") or "",
        hidden="hidden" in annotations,
        body=body,
    )
    # Cedar says it once for every action that the policy is about, and by an id that it makes up for a statement by itself.
    found = [error.error.replace("for policy `policy0`, ", "") for error in cedarpy.validate_policies(statement, schema).errors]
    return policy, [
        *_objections(policy, annotations),
        *dict.fromkeys(text.partition(" in context for Action::")[0] for text in found),
    ]


def _shown(path: Path) -> Path:
    """`path` as seen from here, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _bodies(parsed: Mapping[str, Any], *, template: bool) -> list[Any]:
    return list(parsed.get("templates" if template else "staticPolicies", {}).values())


def _objections(policy: Policy, annotations: Mapping[str, str | None]) -> Iterator[str]:
    """What our own rules say of one policy."""
    if not _ID.fullmatch(policy.id):
        yield '@id is missing, or is not words in lower case: write @id("system.what-it-says")'
    for name in sorted(set(annotations) - _ANNOTATIONS):
        yield f"there is no annotation @{name}; there are @{', @'.join(sorted(_ANNOTATIONS))}"
    if policy.template and policy.id != GRANT_TEMPLATE:
        yield f"only {GRANT_TEMPLATE} is a template: any other is never linked to anything"
    if not policy.forbids:
        if policy.hidden or "lifted_by" in annotations:
            yield "@hidden and @lifted_by belong on a forbid"
        return
    if not policy.reason.strip():
        yield 'a forbid needs @reason("…"), a sentence for the person who is refused'
    if "lifted_by" not in annotations:
        return
    if policy.hidden:
        yield "@hidden says that there is nothing, so @lifted_by cannot say what would help"
    if policy.lifted_by not in _LIFTED_WITH:
        yield f'@lifted_by is "{REASONING}" or "{AUTHORIZATION}"'
    elif not _mentions(policy.body.get("conditions"), _LIFTED_WITH[policy.lifted_by]):
        condition = f"unless {{ context.{_LIFTED_WITH[policy.lifted_by]} }}"
        yield f"@lifted_by({policy.lifted_by}) without `{condition}`: nothing would lift it"


def _mentions(expression: Any, attribute: str) -> bool:
    """Whether `context.attribute` stands anywhere in a condition's JSON form."""
    if isinstance(expression, list):
        return any(_mentions(item, attribute) for item in expression)
    if not isinstance(expression, dict):
        return False
    if expression.get(".") == {"left": {"Var": "context"}, "attr": attribute}:
        return True
    return any(_mentions(item, attribute) for item in expression.values())


def _of_the_whole(found: Sequence[Policy], directory: Path) -> Iterator[str]:
    """What only shows when all files are there."""
    places: dict[str, str] = {}
    for policy in found:
        if policy.id and places.setdefault(policy.id, policy.place) != policy.place:
            yield f"{policy.place}: @id {policy.id} is taken by {places[policy.id]}"
    if not any(policy.template and policy.id == GRANT_TEMPLATE for policy in found):
        yield f'{_shown(directory / BASE)}: the template @id("{GRANT_TEMPLATE}") is missing: no standing permission would count'

"""The Cedar schema: what policies may say, written from the contract. `make gen` keeps a copy in `gen/policy.cedarschema`.

Above: `ruleset` and `stack.contract_gen`. Below: `contract`.
"""

from __future__ import annotations

import json

from dispatch_service.policy.contract import CARD, EFFECTS, FOREIGN, LEVELS, SENSITIVE, TOOL, USE_GRANT, Vocabulary

FILE = "policy.cedarschema"
SCOPES = ("tenant", "owner", "building", "resident", "subject")

_NOTHING = "nothing"

_HEAD = """// The vocabulary of policies, generated from the contract by `make gen`. Do not edit.

// Who calls. A claim that the token does not make is empty.
entity Principal = {
  // The company that the token is for.
  tenant: String,
  subject: String,
  // human, service or model.
  kind: String,
  // operator, customer, visitor (no token), service, agent, or another word that an issuer uses.
  role: String,
  // T1 (owner), T2 (committee), T3 (resident), or empty.
  tier: String,
  owner: String,
  buildings: Set<String>,
  resident: String,
};

// What is called: a tool, named `SERVER/TOOL`, of a server, or a card action. Those of third parties are not known here: a rule
// about one of them names it as the resource, `resource == Tool::"SERVER/TOOL"` or `resource in Server::"SERVER"`.
entity Server;
entity Tool in [Server];
entity Card;

// Whose data the arguments name, or a preview found the call to be about.
type Scope = {
"""

_CALL = """
// What is known of one call.
type Call = {
  // The company that this service acts for.
  tenant: String,
  // USER_CLICK, OPERATOR, SERVICE or MODEL.
  origin: String,
  // How many things the call is about, as far as its arguments tell.
  items: Long,
  // The caller said why.
  reasoning: Bool,
  // A person has decided to let exactly this happen.
  authorized: Bool,
  // A standing permission covers the caller and the tool.
  granted: Bool,
  // An operator has enabled the tool for the caller. What is not a third party's need not be enabled, and is.
  enabled: Bool,
  scope: Scope,
  facts: Facts,
};
"""


def render(vocabulary: Vocabulary) -> str:
    """Return the schema's text."""
    parts = [_HEAD]
    parts += [f"  {scope}: Set<String>,\n" for scope in SCOPES]
    parts.append("};\n\n// What a preview found out. What is absent is not known.\ntype Facts = {\n")
    parts += [f"  {name}?: {kind},\n" for name, kind in vocabulary.facts]
    parts += ["};\n", _CALL, "\n// Groups of actions.\n"]
    groups = (CARD, TOOL, *LEVELS, *EFFECTS, SENSITIVE, FOREIGN, *(f"server/{server}" for server in vocabulary.servers))
    parts += [f"action {json.dumps(group)};\n" for group in groups]
    parts += [
        "\n// Whether a standing permission covers a caller and a tool: what a grant, a link of the template, permits.\n",
        _action(USE_GRANT, (), "Tool"),
        "\n// A member of every group, so that rules pass while nothing of the contract is in their group. Not to be called.\n",
        _action(_NOTHING, groups, "Card, Tool"),
        "\n// Every card action and tool of the contract.\n",
    ]
    parts += [_action(action.id, action.groups, action.door.capitalize()) for action in vocabulary.actions]
    return "".join(parts)


def _action(name: str, groups: tuple[str, ...], resource: str) -> str:
    member = f" in [{', '.join(json.dumps(group) for group in groups)}]" if groups else ""
    return (
        f"action {json.dumps(name)}{member}\n  appliesTo {{ principal: [Principal], resource: [{resource}], context: Call }};\n"
    )

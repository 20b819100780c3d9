"""Policy: who may do what, and what has to be asked first. The rules are data, in Cedar, in `config/policies`.

`question` is what is asked and said, `policies` decides, `ruleset` asks Cedar, `source` reads the files, `contract` and `schema`
say what policies may speak of, `record` is what the journal keeps, `explanation` and `replay` are for people.
"""

from dispatch_service.policy.contract import PolicyAction, third_party_action
from dispatch_service.policy.policies import Policies
from dispatch_service.policy.question import Decision, Effect, GrantRef, Question
from dispatch_service.policy.record import as_record, from_record
from dispatch_service.policy.source import PoliciesUnusable

__all__ = [
    "Decision",
    "Effect",
    "GrantRef",
    "Policies",
    "PoliciesUnusable",
    "PolicyAction",
    "Question",
    "as_record",
    "from_record",
    "third_party_action",
]

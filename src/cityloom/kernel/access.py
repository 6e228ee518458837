"""Who may do what: Cedar policies, few and static, over facts that are data. What no policy permits is refused."""

from collections.abc import Mapping, Sequence
from importlib import resources

import cedarpy
import msgspec

Fact = str | int | bool | Sequence[str]


class Resource(msgspec.Struct, frozen=True):
    """What an act is done to: its kind, its name, and the facts that policies may look at."""

    kind: str
    name: str
    facts: Mapping[str, Fact] = {}


class Principal(msgspec.Struct, frozen=True):
    """Who acts, as the policies see it."""

    name: str
    organisation: str
    roles: frozenset[str] = frozenset()
    rights: frozenset[str] | None = None
    """What a token narrows the account to; None: everything the roles give."""
    names: frozenset[str] | None = None
    """Names of the only resources that a token reaches; None: all."""


class Policies:
    """The policies of all installed modules (each module's policies.cedar)."""

    def __init__(self, text: str) -> None:
        self.text = text

    def permits(self, principal: Principal, right: str, resource: Resource, purpose: str) -> bool:
        """Whether some policy permits `right` (such as `exchange.deliver`) on the resource and none forbids it."""
        if principal.rights is not None and right not in principal.rights:
            return False
        if principal.names is not None and resource.name not in principal.names:
            return False
        actor = {"type": "Account", "id": principal.name}
        thing = {"type": resource.kind, "id": resource.name}
        entities = [
            {
                "uid": actor,
                "attrs": {"organisation": principal.organisation, "roles": sorted(principal.roles)},
                "parents": [],
            },
            {"uid": thing, "attrs": _attributes(resource.facts), "parents": []},
        ]
        request = {
            "principal": {"type": "Account", "id": principal.name},
            "action": {"type": "Action", "id": right},
            "resource": thing,
            "context": {"purpose": purpose},
        }
        result = cedarpy.is_authorized(request, self.text, entities)
        return bool(result.allowed)


class Memory:
    """What the policies answered lately. They see these facts and no other, so the same facts have the same answer."""

    def __init__(self, policies: Policies, most: int = 2_000) -> None:
        self._policies = policies
        self._most = most
        self._known: dict[tuple[object, ...], bool] = {}

    def permits(self, principal: Principal, right: str, resource: Resource, purpose: str) -> bool:
        """As `Policies.permits`, whose answer costs a hundred times as much."""
        facts = tuple(value if isinstance(value, str | int) else tuple(value) for value in resource.facts.values())
        asked = (principal, right, resource.kind, resource.name, facts, purpose)
        known = self._known.get(asked)
        if known is None:
            if len(self._known) >= self._most:
                self._known.clear()
            known = self._known[asked] = self._policies.permits(principal, right, resource, purpose)
        return known


def _attributes(facts: Mapping[str, Fact]) -> dict[str, object]:
    return {key: value if isinstance(value, str | int) else sorted(value) for key, value in facts.items()}


def load(packages: Sequence[str]) -> Policies:
    """Gather policies.cedar of each package."""
    texts = []
    for package in packages:
        source = resources.files(package) / "policies.cedar"
        if source.is_file():
            texts.append(source.read_text(encoding="utf-8"))
    return Policies("\n".join(texts))

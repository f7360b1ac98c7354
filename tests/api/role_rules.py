"""How it is written down who may do what: a rule for each route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from api.auth import Role

if TYPE_CHECKING:
    from tests.api.deployment import Person


class Route(NamedTuple):
    """A route by method and path."""

    method: str
    path: str


@dataclass(frozen=True)
class Rule:
    """For the roles that may: the status with one's own object, and with another's."""

    own: dict[Role, int]
    anothers: dict[Role, int]


@dataclass(frozen=True)
class World:
    """Somebody of every role, and the things of others."""

    callers: dict[Role, Person]
    other_fan: Person
    other_creator: Person

    def owners(self, *, own: bool) -> tuple[Person, Person]:
        """The fan and the creator whose things a request is about."""
        if own:
            return self.callers[Role.FAN], self.callers[Role.CREATOR]
        return self.other_fan, self.other_creator


def same(status: int, *roles: Role) -> Rule:
    """It makes no difference whose it is."""
    return Rule(dict.fromkeys(roles, status), dict.fromkeys(roles, status))


def by_its_creator(status: int) -> Rule:
    """Its creator may, and every admin."""
    return Rule({Role.CREATOR: status, Role.ADMIN: status}, {Role.CREATOR: 403, Role.ADMIN: status})


READ_BY_AUDITORS: Final = same(200, Role.AUDITOR, Role.ADMIN)
READ_BY_ITS_CREATOR: Final = by_its_creator(200)
BY_ADMINS: Final = same(200, Role.ADMIN)
MADE_BY_ADMINS: Final = same(201, Role.ADMIN)

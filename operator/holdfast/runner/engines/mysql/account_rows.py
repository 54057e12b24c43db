"""Makes of what a server says of its accounts and their rights what a backup writes down. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from holdfast.api.database import Engine
from holdfast.contract.globals import VERSION, GlobalGrant, GlobalMembership, GlobalObject, GlobalRole, Globals
from holdfast.runner.engines.mysql import account_names
from holdfast.runner.engines.mysql.account_names import account
from holdfast.runner.pod.text import one_line
from holdfast.sentences import few

MOST = 50_000  # rights, accounts or objects, each; as many as are held in memory
GRANT_OPTION = "GRANT OPTION"
_NAMED = 5
_EXACT = 1000  # more than any pattern has characters
_PUBLIC = "PUBLIC"  # MariaDB's role of everybody
_IN_SETS = {"GRANT": GRANT_OPTION, "DELETE VERSIONING ROWS": "DELETE HISTORY"}
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Found:
    """What a server has."""

    globals: Globals
    accounts: frozenset[str]  # all of the server's
    memberships: frozenset[tuple[str, str]]
    there: frozenset[tuple[str, str]]  # kind and name of everything in the database
    exact: frozenset[str | None]  # who has rights on this very database, and not on databases of such names
    warnings: list[str] = field(default_factory=list)


@dataclass
class Reading:
    """Makes of a server's answers what is written."""

    rows: Rows
    engine: Engine
    database: str

    def __post_init__(self) -> None:
        for what in ("on", "account", "member", "is"):
            self._require_few(what)
        self._odd = set[str]()
        self._there = set[str]()
        self._exact = set[str | None]()
        self._maria = self.engine is Engine.MARIADB
        self._literal = any(row[0] == "literal" and row[1] == "1" for row in self.rows)

    def found(self) -> Found:
        """Return all of it. Raises ValueError of more than is listed."""
        accounts = {account(row[1], row[2]): row for row in self._of("account")}
        self._there = set(accounts)
        everywhere = {name: row[4].split(",") if row[4] else [] for name, row in accounts.items()}
        objects = self._objects()
        database = self._database()
        definers = {each.owner for each in objects if each.owner}
        named = definers | {grant.to for grant in _all(database, objects) if grant.to}
        # who may do everything has what the role has in any case
        memberships = [each for each in self._memberships() if "SUPER" not in everywhere.get(each.member, ())]
        involved = _involved(named, memberships) & set(accounts)
        roles = {each.role for each in memberships}
        told = Globals(
            version=VERSION,
            engine=self.engine.value,
            database=self.database,
            grants=database,
            roles=[
                GlobalRole(
                    name=name,
                    login=accounts[name][3] == "Y" and name not in roles and bool(accounts[name][2]),
                    superuser="SUPER" in everywhere[name],
                    server_privileges=sorted(everywhere[name]),
                )
                for name in sorted(involved)
            ],
            memberships=[each for each in memberships if each.role in involved and each.member in involved],
            objects=objects,
        )
        return Found(
            told,
            frozenset(accounts),
            frozenset((of.role, of.member) for of in memberships),
            frozenset((row[1], row[2]) for row in self._of("is")),
            frozenset(self._exact),
            self._warnings(),
        )

    def _of(self, what: str) -> Iterator[Sequence[str]]:
        return (row for row in self.rows if row[0] == what)

    def _require_few(self, what: str) -> None:
        if sum(1 for _ in self._of(what)) >= MOST:
            raise ValueError(f"there are {MOST} or more of them, which is more than a backup lists")

    def _database(self) -> list[GlobalGrant]:
        """Return the rights on the database as a whole: of several patterns the server goes by the most exact one."""
        best: dict[tuple[str, str], tuple[int, str]] = {}
        for _, kind, user, host, pattern, privileges in self._of("on"):
            if kind == "database" and (not self._literal or _plain(pattern) == self.database):
                best[user, host] = max(best.get((user, host), (-1, "")), (_exactness(pattern), privileges))
        self._exact = {self._whom(*whom) for whom, (exactness, _) in best.items() if exactness == _EXACT}
        return self._grants((user, host, said) for (user, host), (_, said) in best.items())

    def _objects(self) -> list[GlobalObject]:
        there = {(row[1], row[2]): row[3] for row in self._of("is")}
        kinds = {name: kind for kind, name in there if kind in ("table", "view", "sequence")}
        given: dict[tuple[str, tuple[str, ...]], list[tuple[str, str, str]]] = {}
        for _, kind, user, host, name, privileges in self._of("on"):
            names = tuple(name.split("\0"))
            of = kinds.get(names[0]) if kind in ("table", "column") else kind
            if kind != "database" and of is not None and (of, names[0]) in there:
                given.setdefault(("column" if kind == "column" else of, names), []).append((user, host, privileges))
        keys = {*given, *((kind, (name,)) for (kind, name), definer in there.items() if definer)}
        made = [
            GlobalObject(
                kind=kind,
                names=list(names),
                owner=self._definer(there.get((kind, names[0]), "")),
                grants=self._grants(given[kind, names]) if (kind, names) in given else None,
            )
            for kind, names in sorted(keys)
            if self._fits(all(map(account_names.is_object, names)), f"the {kind} {'.'.join(names)}")
        ]
        return [each for each in made if each.owner is not None or each.grants]

    def _definer(self, said: str) -> str | None:
        """Return whom it runs as; the statement that makes it says so as well."""
        return said if said and self._usable(said) else None

    def _grants(self, given: Iterable[tuple[str, str, str]]) -> list[GlobalGrant]:
        made = []
        for user, host, said in sorted(given):
            words = {_IN_SETS.get(word.upper(), word.upper()) for word in said.split(",") if word}
            rights = sorted(words - {GRANT_OPTION}) or ["USAGE"]
            to = self._whom(user, host)
            if not words or not (to is None or (to in self._there and self._usable(to))):
                continue
            passed_on = GRANT_OPTION in words
            made.append(
                GlobalGrant(to=to, privileges=[] if passed_on else rights, grantable=rights if passed_on else [])
            )
        return made

    def _whom(self, user: str, host: str) -> str | None:
        return None if self._maria and (user, host) == (_PUBLIC, "") else account(user, host)

    def _memberships(self) -> list[GlobalMembership]:
        return [
            GlobalMembership(
                role=account(row[1], row[2]), member=account(row[3], row[4]), admin=row[5] == "Y",
                default=row[6] == "Y",
            )
            for row in sorted(self._of("member"), key=lambda row: tuple(row[1:5]))
            if account_names.is_account(account(row[1], row[2]), self.engine)
            and account_names.is_account(account(row[3], row[4]), self.engine)
        ]  # fmt: skip

    def _usable(self, name: str) -> bool:
        return self._fits(account_names.is_account(name, self.engine), name)

    def _fits(self, fits: bool, what: str) -> bool:
        if not fits:
            self._odd.add(one_line(what, 80) or "the account without a name")
        return fits

    def _warnings(self) -> list[str]:
        if not self._odd:
            return []
        return [
            one_line(
                "grants are not backed up where a name is empty, or has control characters or a space at its end: "
                f"{few(sorted(self._odd), _NAMED)}",
                500,
            )
        ]


def _all(database: list[GlobalGrant], objects: Iterable[GlobalObject]) -> Iterator[GlobalGrant]:
    yield from database
    for each in objects:
        yield from each.grants or ()


def _involved(named: set[str], memberships: Iterable[GlobalMembership]) -> set[str]:
    """Return those who have rights, by name or as members of who has."""
    members: dict[str, list[str]] = {}
    for of in memberships:
        members.setdefault(of.role, []).append(of.member)
    seen, left = set(named), list(named)
    while left:
        for member in members.get(left.pop(), ()):
            if member not in seen:
                seen.add(member)
                left.append(member)
    return seen


def _exactness(pattern: str) -> int:
    """Return how long a pattern is until its first wildcard, as the server sorts them."""
    found = re.match(r"(?:\\.|[^_%\\])*", pattern, re.DOTALL)
    plain = found is not None and found.end() == len(pattern)
    return _EXACT if plain or found is None else found.end()


def _plain(pattern: str) -> str:
    return re.sub(r"\\([_%\\])", r"\1", pattern)

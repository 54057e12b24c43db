"""Replace for PostgreSQL: the step is all or nothing, an error leaves nothing behind, a second Pod finds what is done.

The server is a fake that knows names and transactions; tests/integration/runner/test_replace.py has the real one.
"""

import re
from contextlib import contextmanager
from types import SimpleNamespace

import psycopg
import pytest

from holdfast.contract.needs import ManifestNeed, NeedKind
from holdfast.contract.task import Beside
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import beside, grants, maintenance, properties, rights, switch
from holdfast.runner.engines.postgres.connection import Target
from holdfast.runner.engines.postgres.properties import Grant, Properties
from holdfast.runner.engines.protocol import Switched
from holdfast.runner.pod.stop import Stop

NAMES = Beside(fresh="shop_fresh", old="shop_before")
LIKE = Properties("owner", "UTF8", {"lc_collate": "C", "lc_ctype": "C"})
MANIFEST = SimpleNamespace(needs=[ManifestNeed.of_server(NeedKind.ENCODING, "LATIN1")])


class Rows(list):
    def fetchone(self):
        return self[0] if self else None

    def fetchall(self):
        return list(self)


class Server:
    """The databases of a server, with their comments, and what it was told."""

    def __init__(self, *names: str) -> None:
        self.databases: dict[str, str | None] = dict.fromkeys(names)
        self.said: list[str] = []
        self.fails: dict[str, list[Exception]] = {}  # by what a statement holds
        self.info = SimpleNamespace(server_version=170000)
        self.stop = Stop()
        self.user = (False, True, False, True, False)

    @contextmanager
    def asked(self, stop=None, seconds=0):  # noqa: ARG002
        (stop or self.stop).check()
        yield self

    @contextmanager
    def transaction(self, force_rollback=False):
        before = dict(self.databases)
        try:
            yield
            if not force_rollback:
                self.execute(b"COMMIT")
        except BaseException:
            self.databases = before
            raise
        if force_rollback:
            self.databases = before

    def execute(self, query, values=()):
        text = query.decode() if isinstance(query, bytes) else query
        self.said.append(text)
        for words, errors in self.fails.items():
            if words in text and errors:
                raise errors.pop(0)
        answers = {
            switch._THERE.decode(): lambda: [(name,) for name in values[0] if name in self.databases],
            beside._COMMENT.decode(): lambda: [(self.databases[values[0]],)],
            rights._USER.decode(): lambda: [self.user],
        }
        self._do(text)
        return Rows(answers[text]() if text in answers else ())

    def _do(self, text):
        if found := re.match(r'CREATE DATABASE "(\w+)"', text):
            self.databases[found[1]] = None
        elif found := re.match(r'DROP DATABASE IF EXISTS "(\w+)"', text):
            self.databases.pop(found[1], None)
        elif found := re.match(r'ALTER DATABASE "(\w+)" RENAME TO "(\w+)"', text):
            assert found[2] not in self.databases
            self.databases[found[2]] = self.databases.pop(found[1])
        elif found := re.match(r'COMMENT ON DATABASE "(\w+)" IS (.*)', text):
            self.databases[found[1]] = None if found[2] == "NULL" else found[2].strip("'")

    def cancel(self) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    made = Server("postgres", "shop")
    monkeypatch.setattr(properties, "read", lambda _, name: LIKE if name in made.databases else None)
    monkeypatch.setattr(rights, "require", lambda *_: None)
    return made


def replacing(server) -> beside.Replacing:
    return beside.Replacing(server, "shop", NAMES, MANIFEST, SimpleNamespace(warnings=[]), list)


def there(server) -> set[str]:
    return set(server.databases) - {"postgres"}


def switched(server) -> Switched:
    place = replacing(server)
    with place.opened():
        assert there(server) == {"shop", "shop_fresh"}
        return place.switch()


def test_the_fresh_one_takes_the_name_and_the_old_one_keeps_another(server):
    said = switched(server)
    assert (said.replaced, there(server)) == ("shop_before", {"shop", "shop_before"})
    assert said.seconds is not None
    assert replacing(server).done() == Switched("shop_before", None)


def test_the_fresh_one_is_made_as_the_old_one_is(server):
    switched(server)
    (made,) = [each for each in server.said if each.startswith("CREATE DATABASE")]
    assert "ENCODING 'UTF8'" in made
    assert made.endswith('OWNER "owner"')


def test_what_an_earlier_pod_left_half_done_is_removed_first(server):
    server.databases["shop_fresh"] = None
    assert replacing(server).done() is None
    switched(server)
    assert there(server) == {"shop", "shop_before"}


def test_where_no_target_is_the_fresh_one_is_made_as_the_dump_needs_it_and_a_second_pod_finds_it(server):
    del server.databases["shop"]
    place = replacing(server)
    assert place.done() is None
    with place.opened():
        assert place.switch().replaced is None
    assert there(server) == {"shop"}
    assert any("CREATE DATABASE" in each and "ENCODING 'LATIN1'" in each for each in server.said)
    assert replacing(server).done() == Switched(None, None)
    server.databases["shop"] = "somebody's own"
    assert replacing(server).done() is None


@pytest.mark.parametrize("error", [HoldfastError(Reason.CHECKSUM_MISMATCH, "flipped", "another"), RuntimeError("x")])
def test_after_an_error_the_target_is_as_it_was_and_nothing_is_beside_it(server, error):
    with pytest.raises(type(error)), replacing(server).opened():
        raise error
    assert there(server) == {"shop"}


def test_after_a_stop_as_well(server):
    asked = HoldfastError(Reason.INTERRUPTED, "told to end", "again")
    place = replacing(server).opened()
    place.__enter__()
    server.stop.request(asked)
    assert not place.__exit__(HoldfastError, asked, None)
    assert there(server) == {"shop"}


def test_what_could_not_be_removed_is_told_with_what_went_wrong(server):
    server.fails["DROP"] = [psycopg.OperationalError("gone")]
    with pytest.raises(HoldfastError) as caught, replacing(server).opened():
        raise HoldfastError(Reason.RESTORE_FAILED, "half-way", "look")
    assert caught.value.reason is Reason.RESTORE_FAILED
    assert "half-way; the new database 'shop_fresh'" in caught.value.message
    assert caught.value.remedy == 'look; and DROP DATABASE "shop_fresh"'


def test_the_name_of_the_old_one_must_be_free(server):
    server.databases["shop_before"] = server.databases["shop_fresh"] = None
    with pytest.raises(HoldfastError, match=r"TargetNotReady.*'shop_before'"), replacing(server).opened():
        pass
    assert there(server) == {"shop", "shop_before", "shop_fresh"}


def test_what_cannot_be_given_to_the_fresh_one_is_found_out_before_anything_is_restored(server, monkeypatch):
    monkeypatch.setattr(
        properties, "read", lambda *_: Properties("owner", "UTF8", {}, settings={("", "log_statement"): "all"})
    )
    server.fails["log_statement"] = [psycopg.errors.InsufficientPrivilege("permission denied to set parameter")]
    with pytest.raises(HoldfastError, match=r"TargetNotReady.*log_statement|permission denied"):
        replacing(server).opened().__enter__()
    assert there(server) == {"shop"}


IN_USE = psycopg.errors.ObjectInUse("database is being accessed by other users")


@pytest.mark.parametrize("words", ['RENAME TO "shop_before"', 'RENAME TO "shop"', "COMMIT"])
def test_where_the_step_fails_in_its_midst_all_is_as_it_was(server, words):
    server.fails[words] = [IN_USE] * switch.ATTEMPTS
    with pytest.raises(HoldfastError) as caught:
        switched(server)
    assert caught.value.reason is Reason.SWITCH_FAILED
    assert "nothing was switched" in caught.value.message
    assert there(server) == {"shop"}


def test_who_goes_a_little_later_fails_nothing(server):
    server.fails["RENAME"] = [IN_USE]
    switched(server)
    assert there(server) == {"shop", "shop_before"}


def test_a_connection_that_breaks_with_the_commit_done_is_no_failure(server, monkeypatch):
    real = Server.execute

    def execute(self, query, values=()):
        if query == b"COMMIT" and "shop_before" in self.databases:
            monkeypatch.setattr(Server, "execute", real)
            monkeypatch.setattr(Server, "transaction", None)
            done = dict(self.databases)
            self.asked = lambda *_: _again(self, done)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return real(self, query, values)

    @contextmanager
    def _again(self, done):
        self.databases = done
        yield self

    monkeypatch.setattr(Server, "execute", execute)
    assert switch.exchange(server, [("shop", "shop_before"), ("postgres", "shop")]) == switch.SECONDS


def test_what_was_replaced_is_put_back_once(server):
    switched(server)
    assert beside.swap_back(server, "shop", "shop_before", "shop_undone").replaced == "shop_undone"
    assert beside.swap_back(server, "shop", "shop_before", "shop_undone") == Switched("shop_undone", None)
    assert there(server) == {"shop", "shop_undone"}
    with pytest.raises(HoldfastError, match=r"TargetNotReady.*'shop_before'"):
        beside.swap_back(server, "shop", "shop_before", "another")


def test_only_what_is_there_is_removed(server):
    server.databases["shop_before"] = None
    assert beside.drop(server, ["shop_before", "shop_fresh"]) == ["shop_before"]
    assert beside.drop(server, ["shop_before", "shop_fresh"]) == []


def test_a_database_is_made_where_there_is_none_and_only_by_whom_who_may(server):
    beside.make(server, "shop", MANIFEST)
    assert not any(each.startswith("CREATE") for each in server.said)
    beside.make(server, "new", MANIFEST)
    assert "new" in server.databases
    server.user = (False, False, False, False, False)
    with pytest.raises(HoldfastError) as caught:
        beside.make(server, "newer", MANIFEST)
    assert "CREATEDB" in caught.value.remedy
    assert "CREATE DATABASE \"newer\" TEMPLATE template0 ENCODING 'LATIN1'" in caught.value.remedy


GIVEN = {
    "nothing but what a new one has": (LIKE, []),
    "rights": (
        Properties(
            "owner", "UTF8", {},
            grants=[Grant(None, "TEMPORARY", False), Grant("a b", "CONNECT", True), Grant("owner", "CREATE", True)],
        ),
        [
            'REVOKE ALL ON DATABASE "x" FROM PUBLIC, "owner"', 'GRANT TEMPORARY ON DATABASE "x" TO PUBLIC',
            'GRANT CONNECT ON DATABASE "x" TO "a b" WITH GRANT OPTION', 'GRANT CREATE ON DATABASE "x" TO "owner"',
        ],
    ),
    "settings, a limit, a comment": (
        Properties("o", "UTF8", {}, limit=3, comment="it's", settings={("", "TimeZone"): "UTC", ("r", "a.b"): "c"}),
        [
            "ALTER DATABASE \"x\" SET TimeZone TO 'UTC'", "ALTER ROLE \"r\" IN DATABASE \"x\" SET a.b TO 'c'",
            'ALTER DATABASE "x" CONNECTION LIMIT 3', "COMMENT ON DATABASE \"x\" IS 'it''s'",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("has", "said"), GIVEN.values(), ids=GIVEN.keys())
def test_what_a_database_has_besides_its_content_is_given_to_the_other(has, said):
    assert list(has.given("x")) == said


def test_a_tablespace_is_named_where_it_is_not_the_usual_one():
    assert "TABLESPACE" not in LIKE.creation("x", 17)
    assert Properties("o", "UTF8", {}, "fast").creation("x", 17).endswith('OWNER "o" TABLESPACE "fast"')


class Answers:
    """A server that answers the questions about rights."""

    def __init__(self, user, owning=(True, True), space=True, sessions=(), tied=(), fenced=False):
        self.info = SimpleNamespace(server_version=170000)
        self._rows = {"rolcreatedb": [(*user, fenced)], "'set'": [owning], "tablespace_priv": [(space,)],
                      "pg_stat_activity": sessions, "pg_prepared_xacts": tied}  # fmt: skip

    def execute(self, query, _values=()):
        (rows,) = [rows for words, rows in self._rows.items() if words in query.decode()]
        return Rows(rows)


PLAIN, MIGHTY = (False, True, False, False), (True, False, False, False)
IN_THE_WAY = {
    "no right to make one": (Answers((False, False, False, False)), "ALTER ROLE the_restoring_user CREATEDB"),
    "a replica": (Answers((True, True, True, True)), "to the primary server"),
    "not the owner": (Answers(PLAIN, owning=(False, True)), 'GRANT "owner" TO the_restoring_user'),
    "may not give it to the owner": (Answers(PLAIN, owning=(True, False)), 'GRANT "owner" TO the_restoring_user'),
    "another's tablespace": (Answers(PLAIN, space=False), 'GRANT CREATE ON TABLESPACE "fast"'),
    "another's session": (Answers(PLAIN, sessions=[("app", False, False)]), "GRANT pg_signal_backend"),
    "a superuser's session": (Answers(PLAIN, sessions=[("postgres", True, False)]), "pg_terminate_backend"),
    "a prepared transaction": (Answers(MIGHTY, tied=[("prepared transaction", "it's")]), "ROLLBACK PREPARED 'it''s'"),
    "a slot": (Answers(MIGHTY, tied=[("logical replication slot", "s")]), "pg_drop_replication_slot('s')"),
    "a subscription": (Answers(MIGHTY, tied=[("subscription", "s")]), 'DROP SUBSCRIPTION "s"'),
    "a fence": (Answers(MIGHTY, fenced=True), "ALTER SYSTEM RESET default_transaction_read_only"),
}


@pytest.mark.parametrize(("server", "says"), IN_THE_WAY.values(), ids=IN_THE_WAY.keys())
def test_what_is_in_the_way_is_refused_with_what_mends_it(server, says):
    with pytest.raises(HoldfastError) as caught:
        rights.require(server, "shop", Properties("owner", "UTF8", {}, "fast"), "'shop'")
    assert caught.value.reason is Reason.TARGET_NOT_READY
    assert "nothing was changed" in caught.value.message
    assert says in caught.value.remedy


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(Answers(MIGHTY, sessions=[("postgres", True, True), ("app", False, True)]), id="a superuser"),
        pytest.param(Answers((False, True, False, True), sessions=[("app", False, False)]), id="who may end sessions"),
        pytest.param(Answers(PLAIN, sessions=[("app", False, True)]), id="only own sessions are there"),
    ],
)
def test_who_may_is_let(server):
    rights.require(server, "shop", LIKE, "'shop'")


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("the connection is lost"), psycopg.errors.AdminShutdown("terminating connection")],
    ids=["without a word", "by an administrator"],
)
def test_a_connection_that_breaks_is_told_as_that_and_where_to_look(error):
    told = maintenance.refused(error, "looking", "it")
    assert told.message.startswith("it: looking was broken off: ")
    assert "read the server's log, then restore again" in told.remedy
    other = maintenance.refused(psycopg.errors.UndefinedTable("no such table"), "looking", "it")
    assert other.message == "it: looking failed: no such table"


class Limited:
    """A session with limits that its role sets."""

    def __init__(self) -> None:
        self.set: dict[str, str] = {}

    def execute(self, query, values=()):
        if b"set_config" in query:
            self.set[values[0]] = values[1]
            return Rows()
        return Rows([("default_transaction_read_only", "on"), ("statement_timeout", "5s"), ("lock_timeout", "0")])


def test_what_a_role_sets_for_its_sessions_does_not_end_the_work_beside_the_target():
    session = Limited()
    maintenance.lift(session)
    assert session.set == {"default_transaction_read_only": "off", "statement_timeout": "0"}


TARGET = Target("db", "5432", "u", "shop", "prefer", SimpleNamespace())


def test_a_name_that_the_server_would_cut_is_refused():
    maintenance.Maintenance(TARGET, Stop(), ["x" * 63])
    with pytest.raises(HoldfastError, match="InvalidTask"):
        maintenance.Maintenance(TARGET, Stop(), ["ü" * 32])


def test_a_database_to_work_from_is_found_and_never_one_that_is_renamed(monkeypatch):
    tried = []

    def of_several(where, _stop):
        tried.append(where.database)
        if where.database != "template1":
            raise HoldfastError(Reason.AUTHENTICATION_FAILED, "permission denied for database", "grant")
        return where

    monkeypatch.setattr(maintenance.server, "of_several", of_several)
    assert maintenance.Maintenance(TARGET, Stop(), ["shop"]).where().database == "template1"
    assert tried == ["postgres", "template1"]
    tried.clear()
    assert maintenance.Maintenance(TARGET, Stop(), ["postgres"]).where().database == "template1"
    assert tried == ["template1"]


class Objects:
    """Two databases: one whose rights are read, and one that has of its objects what `has` names."""

    def __init__(self, rows, has, refuses=()):
        self._rows, self._has, self._refuses = rows, has, refuses
        self.given = []

    def execute(self, query, values=()):
        text = query.decode()
        if text == grants._OBJECTS.decode():
            return Rows(self._rows)
        if values:
            return Rows([(values[0] in self._has,)])
        if any(words in text for words in self._refuses):
            raise psycopg.errors.InsufficientPrivilege("permission denied")
        self.given.append(text)
        return Rows()

    @contextmanager
    def transaction(self):
        yield


ROWS = [
    ("TABLE", "s.t", None, "app", True, "app", "SELECT", False, True),
    ("TABLE", "s.t", None, "app", True, "reader", "SELECT", True, False),
    ("TABLE", "s.t", "b c", "app", True, None, "UPDATE", False, False),
    ("TABLE", "s.gone", None, "app", True, "reader", "SELECT", False, False),
    ("FUNCTION", "s.f()", None, "app", True, "app", "EXECUTE", False, True),
    ("TABLE", "s.theirs", None, "other", False, None, None, None, None),
]


def test_rights_on_objects_are_given_to_those_of_the_same_name():
    database = Objects(ROWS, {"s.t", "s.f()", "s.theirs"})
    found = grants._read(database)
    assert grants._give(database, found) == []
    assert found.owners == ["other"]
    assert database.given == [
        "REVOKE ALL ON TABLE s.t FROM PUBLIC", 'GRANT SELECT ON TABLE s.t TO "reader" WITH GRANT OPTION',
        'GRANT UPDATE ("b c") ON TABLE s.t TO PUBLIC', "REVOKE ALL ON FUNCTION s.f() FROM PUBLIC",
    ]  # fmt: skip


def test_a_right_that_cannot_be_given_is_told_and_the_others_are_given():
    database = Objects(ROWS, {"s.t", "s.f()"}, refuses=["s.t"])
    (told,) = grants._give(database, grants._read(database))
    assert told == "on table s.t: permission denied"
    assert database.given == ["REVOKE ALL ON FUNCTION s.f() FROM PUBLIC"]

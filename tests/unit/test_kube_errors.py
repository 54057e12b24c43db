"""What an answer of the API server means, whoever spoke in its place: one of our errors, in a short sentence."""

import json

import pytest

from holdfast.kube.errors import AlreadyExists, Conflict, NotFound, Refused, Unavailable, from_response


def status(**fields: object) -> bytes:
    return json.dumps({"kind": "Status", **fields}).encode()


@pytest.mark.parametrize(
    ("code", "body", "kind", "message"),
    [
        pytest.param(404, status(message="no such Job"), NotFound, "no such Job", id="its own sentence"),
        pytest.param(409, status(reason="AlreadyExists", message="it is there"), AlreadyExists, "it is there",
                     id="a name that is taken"),
        pytest.param(409, status(reason="Conflict", message="changed"), Conflict, "changed", id="another version"),
        pytest.param(403, b"<html>no</html>", Refused, "<html>no</html>", id="a proxy's page"),
        pytest.param(403, b'["a", "list"]', Refused, '["a", "list"]', id="JSON that is no object"),
        pytest.param(502, b"", Unavailable, "HTTP 502", id="nothing at all"),
        pytest.param(502, b"{}", Unavailable, "{}", id="an object without a sentence"),
        pytest.param(502, b"x" * 513, Unavailable, "x" * 512, id="a page without an end"),
        pytest.param(502, b"a\xffb", Unavailable, "a\N{REPLACEMENT CHARACTER}b", id="no text at all"),
        *(pytest.param(code, b"m", Unavailable, "m", id=f"{code}: later") for code in (401, 410, 429, 500, 599)),
        *(pytest.param(code, b"m", Refused, "m", id=f"{code}: never") for code in (400, 403, 422, 499)),
    ],
)  # fmt: skip
def test_each_answer_is_one_of_our_errors(code, body, kind, message):
    error = from_response(code, {}, body)
    assert (type(error), error.message, error.status, str(error)) == (kind, message, code, message)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7.0), ({}, None), ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None)],
    ids=["seconds", "nothing", "a date"],
)
def test_when_to_ask_again_is_taken_where_it_is_told(headers, seconds):
    assert from_response(429, headers, b"").retry_after == seconds


TERMINATING = {"causes": [{"reason": "NamespaceTerminating", "message": "is being terminated"}]}
NO_RIGHT = 'jobs.batch is forbidden: User "x" cannot create resource "jobs" in API group "batch" in the namespace "a"'


@pytest.mark.parametrize(
    ("body", "terminating", "unauthorized"),
    [(status(reason="Forbidden", message="m", details=TERMINATING), True, False),
     (status(reason="Forbidden", message=NO_RIGHT), False, True),
     (status(reason="Forbidden", message=NO_RIGHT.replace("create", "list")), False, True),
     (status(reason="Forbidden", message="exceeded quota: pods"), False, False),
     (status(reason="Invalid", message=NO_RIGHT), False, False),
     (status(reason="Forbidden", message=None, details={"causes": "x"}), False, False)],
    ids=["the namespace is going", "no right to create", "no right to list", "a quota", "an admission's words",
         "nonsense"],
)  # fmt: skip
def test_a_refusal_says_whether_the_namespace_is_going_or_a_right_is_missing(body, terminating, unauthorized):
    error = from_response(403, {}, body)
    assert isinstance(error, Refused)
    assert (error.terminating, error.unauthorized) == (terminating, unauthorized)

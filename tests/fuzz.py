"""Values of any model for Hypothesis, made from its fields; and documents that are almost one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import EnumType
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import BaseMetadata, Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import assume
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from holdfast.api.aws import Word
from holdfast.contract.snapshot import SnapshotInRegion

M = TypeVar("M", bound=BaseModel)
Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
_MANY = 1 << 60
_ASCII = st.characters(codec="ascii")


@cache
def models(model: type[M]) -> st.SearchStrategy[M]:
    """Every value that the model accepts, as far as its fields say what that is."""
    return st.builds(lambda fields: _made(model, fields), _fields(model))


def _made(model: type[M], fields: dict[str, Any]) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError:
        assume(False)  # a rule on several fields at once
        raise


# Held to by a validator of the whole, since their models have no pattern: a status that is there stays readable.
_WORDS = {
    "arn": Word.ARN, "region": Word.REGION, "kmsKeyID": Word.KMS_KEY, "source": Word.IDENTIFIER,
    "engine": Word.ENGINE, "engineVersion": Word.VERSION, "instanceClass": Word.CLASS,
    "subnetGroup": Word.SUBNET_GROUP,
}  # fmt: skip


def _snapshots(model: type[BaseModel]) -> dict[str, st.SearchStrategy[Any]]:
    if not issubclass(model, SnapshotInRegion):
        return {}
    groups = st.lists(st.from_regex(Word.SECURITY_GROUP.value, fullmatch=True, alphabet=_ASCII), max_size=2)
    words = {name: st.from_regex(word.value, fullmatch=True, alphabet=_ASCII) for name, word in _WORDS.items()}
    return words | {"arn": words["arn"].filter(lambda arn: len(arn) <= 512), "securityGroups": groups}


@cache
def _fields(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    words = _snapshots(model)
    named = {
        name: (info, words[name] if name in words else _of(info.annotation, info.metadata))
        for name, info in ((info.alias or name, info) for name, info in model.model_fields.items())
    }
    return st.fixed_dictionaries(
        {name: made for name, (info, made) in named.items() if info.is_required()},
        optional={name: made for name, (info, made) in named.items() if not info.is_required()},
    )


def _of(kind: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:  # noqa: C901 - a case for each kind of type
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of(inner[0], [*metadata, *inner[1:]])
    if origin in (Union, UnionType):
        return st.one_of(*(_of(each, metadata) for each in inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is list:
        low, high = _length(metadata)
        return st.lists(_of(inner[0], []), min_size=low, max_size=min(high, low + 2))
    if origin is dict:
        return st.dictionaries(_of(inner[0], []), _of(inner[1], []), max_size=2)
    if kind is NoneType:
        return st.none()
    if isinstance(kind, EnumType):
        return st.sampled_from(list(kind))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _fields(kind)
    return _plain(kind, metadata)


def _plain(kind: type, metadata: list[Any]) -> st.SearchStrategy[Any]:
    low, high = _length(metadata)
    if kind is str:
        pattern = next((found for each in _flat(metadata) if (found := getattr(each, "pattern", None))), None)
        if pattern:
            return st.from_regex(pattern, fullmatch=True, alphabet=_ASCII).filter(lambda text: low <= len(text) <= high)
        return st.text(min_size=low, max_size=min(high, low + 30))
    if kind is int:
        return st.integers(*_bounds(metadata))
    if kind is float:
        return st.floats(0, 1e9)
    if kind in (datetime, AwareDatetime):
        years = datetime(2000, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 - Hypothesis adds the zone
        return st.datetimes(*years, timezones=st.just(UTC))
    return {bool: st.booleans()}[kind]


def _flat(metadata: list[Any]) -> list[Any]:
    return [part for each in metadata for part in (each.metadata if isinstance(each, FieldInfo) else [each])]


def _length(metadata: list[Any]) -> tuple[int, int]:
    flat = _flat(metadata)
    low = max((each.min_length for each in flat if isinstance(each, MinLen)), default=0)
    return low, min((each.max_length for each in flat if isinstance(each, MaxLen)), default=_MANY)


def _bounds(metadata: list[Any]) -> tuple[int, int]:
    flat: list[BaseMetadata] = _flat(metadata)
    low = [int(each.ge) for each in flat if isinstance(each, Ge)] + [
        int(each.gt) + 1 for each in flat if isinstance(each, Gt)
    ]  # type: ignore[call-overload]
    high = [int(each.le) for each in flat if isinstance(each, Le)] + [
        int(each.lt) - 1 for each in flat if isinstance(each, Lt)
    ]  # type: ignore[call-overload]
    return max(low, default=-_MANY), min(high, default=_MANY)


def mutated(document: Mapping[str, Any], other: st.SearchStrategy[Any] = Json) -> st.SearchStrategy[Any]:
    """The document with one place removed, or with something else in its stead."""
    places = list(_places(document))

    @st.composite
    def draw(pick: st.DrawFn) -> Any:
        place = pick(st.sampled_from(places))
        return _with(document, place, pick(st.just(_GONE) | other))

    return draw()


_GONE = object()


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return (
        [path, *(place for key, child in children for place in _places(child, (*path, key)))]
        if path or children
        else []
    )


def _with(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return None if value is _GONE else value
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    kept = [
        (key, _with(child, path[1:], value) if key == path[0] else child)
        for key, child in pairs
        if not (key == path[0] and len(path) == 1 and value is _GONE)
    ]
    return dict(kept) if isinstance(node, dict) else [child for _, child in kept]

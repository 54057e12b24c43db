"""What RDS's API answers, field by field: each is what AWS writes there, or the answer is refused whole.

Whoever answers at an endpoint may say anything; what is taken here ends up in a manifest, in a status, and in commands
that somebody pastes. So nothing leaves this module that is not a word of api/aws.py or a number within bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast import texts
from holdfast.api.aws import Word
from holdfast.errors import HoldfastError, Reason

Answer = Mapping[str, Any]
MAX_GROUPS = 64  # of security groups; AWS allows far fewer
_REMEDY = (
    "check database.instance.endpoint, or of a restore target.rds.endpoint: it may belong to somebody else, or offer "
    "another API; nothing of the answer was used. If AWS itself answers there, use a newer release of Holdfast, or "
    "report this"
)


@dataclass(frozen=True)
class Reading:
    """An answer, or a part of it, and who gave it."""

    answer: Answer
    who: str

    def only(self, field: str) -> "Reading":
        """Return the first of a list. Raises RDSAnswerInvalid where there is none."""
        items = self.answer.get(field)
        if not isinstance(items, list) or not items or not isinstance(items[0], Mapping):
            raise self.strange(field, items)
        return Reading(items[0], self.who)

    def word(self, field: str, word: Word) -> str:
        """Return a word that must be there."""
        said = self.answer.get(field)
        if not isinstance(said, str) or not word.fits(said):
            raise self.strange(field, said)
        return said

    def word_if_any(self, field: str, word: Word) -> str | None:
        """Return a word that may be absent, or empty."""
        return self.word(field, word) if self.answer.get(field) else None

    def words_of(self, field: str, inner: str, word: Word) -> list[str]:
        """Return one word of each item of a list."""
        items = self.answer.get(field) or []
        if not isinstance(items, list) or len(items) > MAX_GROUPS or not all(isinstance(i, Mapping) for i in items):
            raise self.strange(field, items)
        return [Reading(item, self.who).word(inner, word) for item in items]

    def subnet_group(self) -> str | None:
        """Return the subnet group's name: of an instance it is a part of the group, of a cluster it stands alone."""
        said = self.answer.get("DBSubnetGroup")
        if isinstance(said, Mapping):
            return Reading(said, self.who).word_if_any("DBSubnetGroupName", Word.SUBNET_GROUP)
        return self.word_if_any("DBSubnetGroup", Word.SUBNET_GROUP)

    def number(self, field: str, most: int) -> int | None:
        """Return a number from 0 to `most`; None where there is none."""
        said = self.answer.get(field)
        if said is not None and not (type(said) is int and 0 <= said <= most):
            raise self.strange(field, said)
        return said

    def flag(self, field: str) -> bool:
        """Return what is true or false; absent, it is false."""
        said = self.answer.get(field, False)
        if not isinstance(said, bool):
            raise self.strange(field, said)
        return said

    def tags(self) -> dict[str, str]:
        """Return the tags. They are compared with ours and told to nobody, so that any text is one."""
        items = self.answer.get("TagList") or []
        return {str(item.get("Key")): str(item.get("Value", "")) for item in items if isinstance(item, Mapping)}

    def strange(self, field: str, said: object) -> HoldfastError:
        """Make the error for a field that is not what AWS writes there."""
        shown = "nothing" if said is None else texts.quoted(said)
        return HoldfastError(
            Reason.RDS_ANSWER_INVALID,
            f"{self.who} returned {field}: {shown}, a value that AWS never writes there",
            _REMEDY,
        )


def unreadable(who: str, operation: str, error: Exception) -> HoldfastError:
    """Make the error for an answer that is none of RDS's API at all."""
    said = f"{who} answered rds:{operation} with something that is not an answer of the RDS API: {texts.quoted(error)}"
    return HoldfastError(Reason.RDS_ANSWER_INVALID, said, _REMEDY)

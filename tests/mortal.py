"""A client that kills its owner: how tests end an operator between any two of its calls."""

from typing import Any

from tests.moody import Moody


class Killed(BaseException):
    """The operator is dead; nothing may catch it."""


class Mortal(Moody):
    """A client whose owner dies at its n-th call: before it is made, or before its answer is seen."""

    def __init__(self, client: Any, dies_at: int, answered: bool) -> None:
        super().__init__(client, Killed, dies_at, late=answered)

    @property
    def died(self) -> bool:
        """Whether it has."""
        return self.failed > 0

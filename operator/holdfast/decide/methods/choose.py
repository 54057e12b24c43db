"""The one table of the methods in what is decided: a third one would be one more line."""

from collections.abc import Mapping

from holdfast.api import policy
from holdfast.decide.methods.dump import Dumps
from holdfast.decide.methods.protocol import Method
from holdfast.decide.methods.snapshot import Snapshots

METHODS: Mapping[policy.Method, Method] = {
    policy.Method.DUMP: Dumps(),
    policy.Method.AWS_RDS: Snapshots(),
}

"""What a policy's status says, whatever stands in the one before it."""

from tests.builders import NOW, policy_dict, settings

from holdfast.decide.policy.statuses import spec_of, status


def test_a_status_that_cannot_be_read_is_made_anew():
    unreadable = {"conditions": "none", "retentionDays": "many"}
    spec = spec_of(policy_dict())
    assert status(spec, unreadable, 3, settings(), NOW) == status(spec, {}, 3, settings(), NOW)

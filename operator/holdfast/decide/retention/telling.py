"""A plan in a sentence, for a status and an Event."""

from holdfast import naming
from holdfast.decide.retention.plan import Plan
from holdfast.units import size_for_people


def summary(plan: Plan) -> str:
    """Say in a sentence what is kept, and what becomes of the rest."""
    kept = f"{_backups(plan.kept)} kept, {size_for_people(plan.kept_bytes)}"
    if plan.external:
        late = f"; {plan.overdue} have expired, and Holdfast looks for them one after the other" if plan.overdue else ""
        return f"{kept}; a lifecycle rule of the bucket deletes them{late}"
    if not plan.deletions:
        return kept
    going = f"{_backups(len(plan.deletions))}, {size_for_people(plan.going_bytes)}"
    if plan.dry_run:
        return f"{kept}; {going} would be deleted without dryRun"
    return f"{kept}; {going} {'would be deleted, but the plan waits for approval' if plan.held else 'to be deleted'}"


def held(plan: Plan) -> str:
    """Say why a plan waits, and how to let it go on."""
    why = plan.held.why if plan.held else "it is approved"
    return (
        f"{_backups(len(plan.deletions))} of {plan.good} good ones would be deleted, and {why}: Holdfast deletes "
        f"nothing until you approve exactly this plan with the annotation {naming.ANNOTATION_APPROVE}={plan.hash} on "
        "the policy, or change the policy"
    )


def _backups(number: int) -> str:
    return f"{number} {'backup' if number == 1 else 'backups'}"

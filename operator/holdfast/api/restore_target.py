"""Which database a restore goes into, and what that one is for."""

from pydantic import ConfigDict, Field

from holdfast.api.backup import PolicyReference
from holdfast.api.base import Rule, SpecModel, left_out, rules, says
from holdfast.api.database import Database
from holdfast.api.policy import Environment
from holdfast.api.rds_target import RDSTarget


class RestoreTarget(SpecModel):
    """Which database to restore into."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.database) || !has(self.policyRef)",
                "the target is a policy's database or the one that database names: leave out one of the two",
                field=".policyRef",
            ),
            Rule(
                "!has(self.database) || !has(self.databaseName)",
                "databaseName is the name on the server of the source or of the policy: set database.name instead",
                field=".databaseName",
            ),
            Rule(
                "!has(self.database) || !has(self.database.instance)",
                "a snapshot of RDS is restored into a new instance or cluster: set target.rds instead",
                field=".database.instance",
            ),
            *left_out(
                "!has(self.rds)",
                "rds makes a new instance or cluster: leave {field} out",
                *("database", "policyRef", "databaseName"),
            ),
            Rule(
                "!has(self.rds) || !has(self.create) || !self.create",
                "rds makes a new instance or cluster: leave create out",
                field=".create",
            ),
        )
    )

    policy_ref: PolicyReference | None = Field(
        None,
        json_schema_extra={"x-kubernetes-map-type": "atomic"},
        description="A BackupPolicy in this namespace: restore into the database that it backs up, with its Secret. "
        "Default: the database that the backup was taken of.",
    )
    database: Database | None = Field(
        None,
        description="The database to restore into, if no policy names it. It has the fields of a policy's "
        "spec.database.",
    )
    database_name: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00]+$",
        json_schema_extra=says("must not contain a NUL character"),
        description="Another database on the same server. Default: the database of the policy or of the backup.",
    )
    rds: RDSTarget | None = Field(
        None,
        description="The new instance or cluster that a snapshot of Amazon RDS is restored into. Required for a "
        "backup of method aws-rds, and only for one.",
    )
    create: bool = Field(
        False, description="Whether to create the database if the server does not have it. Default: false."
    )
    environment: Environment | None = Field(
        None,
        description="What the target is for: dev, staging or production. A restore into production waits for "
        "spec.confirm. If a BackupPolicy or the backup says production, this field cannot change that. Default: what "
        "the BackupPolicy of the target or the backup says.",
    )

"""The companion of a dump: the roles that the database refers to, and who owns and may do what in it.

Names and words only: no secret and no statement. It lies where others may write, so whoever restores makes each
statement anew, quoted, from what is known here. Its form is published (docs/reference/globals.schema.json): fields are
added, optional ones, and none is removed or changes its meaning.
"""

from typing import Literal

from pydantic import Field

from holdfast import texts
from holdfast.api.base import StatusModel
from holdfast.contract.manifest import ManifestDocument

VERSION: Literal[1] = 1


class GlobalSetting(StatusModel):
    """A setting that sessions begin with."""

    role: str | None = Field(None, description="Role that the setting is for. Absent if it is for all roles.")
    name: str = Field(description="Name of the setting.")
    value: str = Field(description="Value of the setting, as the server has it.")


class GlobalRole(StatusModel):
    """A role that the database refers to. Its password is never read."""

    name: str = Field(
        description="Name of the role. MySQL and MariaDB: user@host of the account; a role of MariaDB ends in @."
    )
    login: bool = Field(False, description="Whether the role could log in.")
    inherit: bool = Field(True, description="Whether the role inherits the privileges of roles that it is a member of.")
    superuser: bool = Field(False, description="Whether the role is a superuser. A restore never creates one.")
    create_role: bool = Field(
        False, description=("Whether the role may create roles. A restore never gives this right.")
    )
    create_db: bool = Field(
        False,
        alias="createDB",
        description=("Whether the role may create databases. A restore never gives this right."),
    )
    replication: bool = Field(False, description="Whether the role may replicate. A restore never gives this right.")
    bypass_rls: bool = Field(
        False,
        alias="bypassRLS",
        description=("Whether the role bypasses row-level security. A restore never gives this right."),
    )
    server_privileges: list[str] = Field(
        [],
        fail_fast=True,
        description="Privileges on the whole server, as far as the backup's user may see them. A restore never gives "
        "them. MySQL and MariaDB only.",
    )
    connection_limit: int = Field(-1, description="How many sessions the role may have at once. -1 means no limit.")
    settings: list[GlobalSetting] = Field(
        [], fail_fast=True, description="Settings of the role in all databases (ALTER ROLE … SET)."
    )


class GlobalMembership(StatusModel):
    """A role that is a member of another one."""

    role: str = Field(description="Role whose privileges the member has.")
    member: str = Field(description="Role that is the member.")
    admin: bool = Field(False, description="Whether the member may add other members.")
    inherit: bool | None = Field(
        None, description="Whether the member inherits the privileges. Absent if the member's own inherit decides."
    )
    set_role: bool | None = Field(None, description="Whether the member may SET ROLE. Absent if it may.")
    default: bool = Field(
        False, description="Whether the role is active when the member logs in (SET DEFAULT ROLE). MySQL only."
    )


class GlobalGrant(StatusModel):
    """What one role, or everybody, may do with something."""

    to: str | None = Field(None, description="Role that has the privileges. Absent for everybody (PUBLIC).")
    to_owner: bool = Field(
        False, description="Whether these are the owner's own privileges, which are fewer than an owner usually has."
    )
    privileges: list[str] = Field([], fail_fast=True, description="Privileges, e.g. SELECT.")
    grantable: list[str] = Field(
        [], fail_fast=True, description="Privileges that the role may also grant to others (WITH GRANT OPTION)."
    )


class GlobalObject(StatusModel):
    """An object of the database. PostgreSQL: addressed as pg_identify_object_as_address does."""

    kind: str = Field(
        description="Kind of the object, e.g. table, function, schema, table column. MySQL and MariaDB: table, view, "
        "sequence, column, procedure, function, package, package body, library, trigger, event."
    )
    names: list[str] = Field(
        fail_fast=True,
        description="Its names, e.g. schema and table. MySQL and MariaDB: without the database, e.g. table and column.",
    )
    arguments: list[str] = Field(
        [], fail_fast=True, description=("Types of the arguments, if the object is a function.")
    )
    owner: str | None = Field(
        None,
        description="Owner. Absent if something else decides who owns it. MySQL and MariaDB: the definer of a view, "
        "routine, trigger or event.",
    )
    grants: list[GlobalGrant] | None = Field(
        None,
        fail_fast=True,
        description=("Grants on the object. Absent if it has the defaults of a new object of its kind."),
    )


class GlobalDefaults(StatusModel):
    """Privileges on objects that a role will make (ALTER DEFAULT PRIVILEGES)."""

    role: str = Field(description="Role whose new objects get the privileges.")
    of_schema: str | None = Field(None, alias="schema", description="Schema of the objects. Absent for all schemas.")
    kind: str = Field(description="Kind of the objects: tables, sequences, functions, types, schemas or large objects.")
    grants: list[GlobalGrant] = Field(fail_fast=True, description="Grants on the objects.")


class Globals(ManifestDocument):
    """Who owns and may do what. Readers pass over fields that they do not know: more may be added."""

    version: Literal[1] = Field(description="Version of the companion's format.")
    engine: str = Field(description="Database engine, e.g. postgresql.")
    database: str = Field(description="Name of the database on its server.")
    owner: str | None = Field(None, description="Owner of the database.")
    grants: list[GlobalGrant] | None = Field(
        None, fail_fast=True, description="Grants on the database. Absent if it has the defaults of a new database."
    )
    settings: list[GlobalSetting] = Field(
        [], fail_fast=True, description="Settings of the database, for everybody or for one role in it."
    )
    roles: list[GlobalRole] = Field(
        [], fail_fast=True, description="Roles that the database refers to, and their members."
    )
    memberships: list[GlobalMembership] = Field([], fail_fast=True, description="Which roles are members of which.")
    objects: list[GlobalObject] = Field([], fail_fast=True, description="Objects, their owners and grants.")
    defaults: list[GlobalDefaults] = Field([], fail_fast=True, description="Default privileges.")

    def to_json(self) -> bytes:
        """Write it for the bucket, without what goes without saying: there may be many thousand objects."""
        said = self.model_dump_json(by_alias=True, exclude_defaults=True)
        return texts.visible(said).encode()

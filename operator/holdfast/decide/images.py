"""Which of the chart's images takes a backup of an engine, by its server's version. Pure."""

import re

from holdfast.api.database import Engine
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

_FAMILY = {
    Engine.POSTGRESQL: "postgres",
    Engine.MYSQL: "mysql",
    Engine.MARIADB: "mariadb",
    Engine.SQLITE: "sqlite",
}
_EXAMPLE = {
    Engine.POSTGRESQL: "postgres-17",
    Engine.MYSQL: "mysql-9",
    Engine.MARIADB: "mariadb-11",
    Engine.SQLITE: "sqlite-3",
}


def runner_image(engine: Engine, settings: Settings, server_major: int | None = None) -> tuple[str, str]:
    """Return (key, image) of the runner for a server: the one that fits it, else the newest.

    Raises HoldfastError(ImageNotSet) where the engine has none at all.
    """
    keys = _keys(engine, settings)
    if not keys:
        family = _FAMILY[engine]
        raise HoldfastError(
            Reason.IMAGE_NOT_SET,
            f"there is no runner image for {engine}: the chart's runner.images has no key {family}-<version>",
            f"add such a key to runner.images in the chart's values, e.g. {_EXAMPLE[engine]}",
        )
    key = fitting_key(engine, settings, server_major) or keys[max(keys)]
    return key, settings.images[key]


def fitting_key(engine: Engine, settings: Settings, server_major: int | None) -> str | None:
    """Return the key of the image whose tools fit a server: its own major version, else the next newer one.

    None where all are older than the server, or its version is not known.
    """
    keys = _keys(engine, settings)
    return (
        None if server_major is None else next((keys[major] for major in sorted(keys) if major >= server_major), None)
    )


def other_majors(engine: Engine, settings: Settings, server_major: int | None) -> list[int]:
    """Return the major versions that have an image of their own besides the one that `runner_image` returns."""
    taken, _ = runner_image(engine, settings, server_major)
    return sorted(major for major, key in _keys(engine, settings).items() if key != taken)


def _keys(engine: Engine, settings: Settings) -> dict[int, str]:
    """Return the engine's keys in the map of images, by major version."""
    pattern = re.compile(rf"{re.escape(_FAMILY[engine])}-(\d+)")
    return {int(match[1]): key for key in settings.images if (match := pattern.fullmatch(key))}

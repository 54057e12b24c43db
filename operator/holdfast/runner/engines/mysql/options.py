"""Writes the option file that carries user and password, which no argument and no variable may.

How the clients read one: https://dev.mysql.com/doc/refman/9.7/en/option-files.html and
https://mariadb.com/docs/server/server-management/install-and-upgrade-mariadb/configuring-mariadb/configuring-mariadb-with-option-files
"""

MAX_LINE = 4000  # bytes; the clients read a line into 4096
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def option_file(user: str, password: str) -> str:
    r"""Return the file's text. Between double quotes only `\` and `"` mean something; the rest stands as it is.

    Raises ValueError for what a line cannot carry.
    """
    return f"[client]\n{_line('user', user)}\n{_line('password', password)}\n"


def _line(name: str, value: str) -> str:
    if "\0" in value:
        raise ValueError("has a NUL, which a MySQL option file cannot contain")
    line = f'{name}="' + "".join(_ESCAPES.get(character, character) for character in value) + '"'
    if len(line.encode()) > MAX_LINE:
        raise ValueError(f"is longer than {MAX_LINE} bytes, the limit of a line in a MySQL option file")
    return line

"""How text gets into what people paste into a shell: as JSON that no shell reads anything into, or not at all.

Names of databases, hosts and paths are a tenant's, and what RDS says is anybody's. Where a value is a word of a
command, it must match a pattern first; `no_commands` is what is pasted where it does not.
"""

import json
import re

from holdfast.api.base import DNS_NAME

IDENTIFIER = r"[a-z0-9]([-a-z0-9]{0,126}[a-z0-9])?"  # of a backup
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
# In a here-document these mean something, and "!" to an interactive shell; DEL a terminal takes for a key.
_NUMBERED = str.maketrans({each: f"\\u{ord(each):04x}" for each in "$`!\x7f"})

_NO_COMMANDS = """\
# There are no commands to restore {backup}: {what} does not allow any. {remedy}
false"""


def document(value: object) -> str:
    """Write a value as JSON that stands in an unquoted here-document as it is: one line of ASCII.

    What is left of backslashes is JSON's, before a letter or a quote, where a here-document keeps them.
    """
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("\\\\", "\\u005c").translate(_NUMBERED)


def shown(text: str) -> str:
    """Return a text for a comment: a plain word as it is, any other as JSON has it."""
    return text if _HOST.fullmatch(text) else document(text)


def is_name(text: str) -> bool:
    """Whether it is the name of an object in Kubernetes."""
    return len(text) <= 253 and re.fullmatch(DNS_NAME, text, re.ASCII) is not None


def no_commands(identifier: str | None, what: str, remedy: str) -> str:
    """Write what stands for the commands where a value in them is unfit; both texts are ours.

    It ends with a failing command, and not with `exit`, which would end the shell of whoever pastes it.
    """
    known = identifier is not None and re.fullmatch(IDENTIFIER, identifier, re.ASCII)
    return _NO_COMMANDS.format(backup=identifier if known else "this backup", what=what, remedy=remedy)

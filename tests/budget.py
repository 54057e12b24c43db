"""How many examples a property is tried with that takes more of them, or that takes long for each."""

from hypothesis import settings


def examples(few: int, times: int) -> int:
    """So few in the fast tests, of which every run looks at others; elsewhere so many times what the profile says."""
    if settings.get_current_profile_name() == "fast":
        return few
    return times * settings.default.max_examples

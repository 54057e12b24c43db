"""What holds for all tests."""

from hypothesis import settings

# How long an example takes says nothing about the code on a machine that does something else as well. Every run of the
# fast tests looks at other examples; `make matrix` looks at four times as many (--hypothesis-profile=full).
settings.register_profile("fast", deadline=None, max_examples=25)
settings.register_profile("full", deadline=None, max_examples=100)
settings.load_profile("fast")

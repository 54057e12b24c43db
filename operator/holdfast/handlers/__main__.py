"""`python -m holdfast.handlers`: the operator, where its script is not on the path."""

from holdfast.handlers.main import main

main()

"""`python -m holdfast.process`: the operator, where its script is not on the path."""

from holdfast.process.main import main

main()

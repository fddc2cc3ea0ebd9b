"""`python -m mobula`: the command line, where the `mobula` script is not on PATH."""

from mobula.cli import main

main()

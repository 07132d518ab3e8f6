"""`python -m pintu` is the command `pintu`."""

from pintu.cli import main

main()

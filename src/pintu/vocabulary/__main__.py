"""`python -m pintu.vocabulary`: print the words as Markdown."""

import sys

from pintu.vocabulary import vocabulary
from pintu.vocabulary.page import markdown

sys.stdout.write(markdown(vocabulary()))

"""What people of a town decided, as one folder of readable files: sources, mappings, data sets,
pages, words."""

from pintu.kernel.configuration.folder import KINDS, NAME, Configuration, Saved
from pintu.kernel.configuration.moving import Difference, compare, copy_into

__all__ = ["KINDS", "NAME", "Configuration", "Difference", "Saved", "compare", "copy_into"]

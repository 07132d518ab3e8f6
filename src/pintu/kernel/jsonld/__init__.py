"""Names and their meaning: the core @context as a table, compiled term maps, fetched @contexts."""

from pintu.kernel.jsonld.core import CORE_URL, CORE_URLS, NULL, core_document
from pintu.kernel.jsonld.library import ContextLibrary
from pintu.kernel.jsonld.terms import CORE, Terms

__all__ = ["CORE", "CORE_URL", "CORE_URLS", "NULL", "ContextLibrary", "Terms", "core_document"]

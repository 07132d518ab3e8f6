"""The schema registry: every version a data set's columns ever had, and what each change breaks."""

from pintu.kernel.exchange.schemas.register import Schemas, open_schemas
from pintu.kernel.exchange.schemas.words import Broken, Change, Field, Schema

__all__ = ["Broken", "Change", "Field", "Schema", "Schemas", "open_schemas"]

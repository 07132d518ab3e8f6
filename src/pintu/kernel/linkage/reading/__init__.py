"""Reading what departments write of a person into what can be compared; pure."""

from pintu.kernel.linkage.reading.addresses import Address, read_address
from pintu.kernel.linkage.reading.dates import read_birth
from pintu.kernel.linkage.reading.features import COLUMNS, ROLES, Features, read_features
from pintu.kernel.linkage.reading.names import Name, read_name
from pintu.kernel.linkage.reading.numbers import Number, read_number
from pintu.kernel.linkage.reading.phones import read_phone

__all__ = [
    "COLUMNS",
    "ROLES",
    "Address",
    "Features",
    "Name",
    "Number",
    "read_address",
    "read_birth",
    "read_features",
    "read_name",
    "read_number",
    "read_phone",
]

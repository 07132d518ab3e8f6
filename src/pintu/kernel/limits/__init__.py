"""What a tenant and a source may use: rates and quotas that people of a town set, as files."""

from pintu.kernel.limits.quotas import Quotas
from pintu.kernel.limits.words import Allowed, Hosted, SourceAllowed, read_hosted

__all__ = ["Allowed", "Hosted", "Quotas", "SourceAllowed", "read_hosted"]

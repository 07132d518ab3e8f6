"""Writing histories where sources are registered for parts of them (4.3.6, 5.6.11 to 5.6.16).

Divided as a write of the present is: what an exclusive or a redirect source has goes there alone,
inclusive ones get a copy. A source is asked for what its registration names one by one, no group of
operations has these (4.20). An instance has its id from the broker that keeps it, so of all that
are asked for one only that broker has it.
"""

from __future__ import annotations

from pintu.kernel.context.temporal.writing import read_history, read_instances
from pintu.kernel.errors import InvalidRequest
from pintu.web.ngsi_ld.distributed_write import write
from pintu.web.ngsi_ld.distributed_write_checks import Asked
from pintu.web.ngsi_ld.distributed_write_parts import segment
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.provision import same_id
from pintu.web.ngsi_ld.temporal_writing import LOCATION, allow, check_vocabulary, target

_ROOT = "temporal/entities"


def create_history(call: Call) -> Result:
    """5.6.11, distributed."""
    return write(call, _creating)


def append_history(call: Call) -> Result:
    """5.6.12, distributed."""
    return write(call, _appending)


def delete_history(call: Call) -> Result:
    """5.6.16, distributed: every source that has some of it, and the local broker."""
    return write(call, _deleting)


def delete_attribute_history(call: Call) -> Result:
    """5.6.13, distributed."""
    return write(call, _deleting_attribute)


def patch_instance(call: Call) -> Result:
    """5.6.14, distributed."""
    return write(call, _patching)


def delete_instance(call: Call) -> Result:
    """5.6.15, distributed."""
    return write(call, _deleting_instance)


def _creating(call: Call) -> Asked:
    id, types, instances = read_history(call.document, call.terms)
    allow(call, instances)
    check_vocabulary(call, id, types, instances)
    return Asked(
        id=id, types=frozenset(types), names=frozenset(instances), able="upsertTemporal",
        path=_ROOT, location=LOCATION + id.encode(), past=True,
    )  # fmt: skip


def _appending(call: Call) -> Asked:
    id = uri(call.parts[0], "Entity id")
    same_id(call.document, id)
    instances = read_instances(call.document, call.terms)
    if not instances:
        raise InvalidRequest("The fragment has no attribute")
    allow(call, instances)
    return Asked(
        id=id, types=frozenset(), names=frozenset(instances), able="appendAttrsTemporal",
        path=f"{_ROOT}/{segment(id)}/attrs", past=True,
    )  # fmt: skip


def _deleting(call: Call) -> Asked:
    id = uri(call.parts[0], "Entity id")
    allow(call, {})
    return Asked(
        id=id, types=frozenset(), names=None, able="deleteTemporal", wipes=True,
        path=f"{_ROOT}/{segment(id)}", past=True, lone=True,
    )  # fmt: skip


def _deleting_attribute(call: Call) -> Asked:
    return _attribute(call, "deleteAttrsTemporal", "")


def _patching(call: Call) -> Asked:
    return _attribute(call, "updateAttrInstanceTemporal", f"/{segment(_instance(call))}")


def _deleting_instance(call: Call) -> Asked:
    return _attribute(call, "deleteAttrInstanceTemporal", f"/{segment(_instance(call))}")


def _instance(call: Call) -> str:
    return uri(call.parts[2], "Instance id")


def _attribute(call: Call, able: str, below: str) -> Asked:
    id, name = target(call)
    path = f"{_ROOT}/{segment(id)}/attrs/{segment(call.parts[1])}{below}"
    return Asked(
        id=id, types=frozenset(), names=frozenset((name,)), able=able, path=path, past=True,
        lone=True,
    )  # fmt: skip

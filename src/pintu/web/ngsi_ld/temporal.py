"""The resources of `/temporal`: their operations (6.18 to 6.24)."""

from __future__ import annotations

from pintu.kernel.access import Deed
from pintu.web.ngsi_ld import distributed_temporal, entity_maps
from pintu.web.ngsi_ld import distributed_temporal_write as divided
from pintu.web.ngsi_ld import temporal_reading as reading
from pintu.web.ngsi_ld import temporal_writing as writing
from pintu.web.ngsi_ld.asking import SELECT_PARAMS
from pintu.web.ngsi_ld.operation import Operation
from pintu.web.ngsi_ld.paging import PAGE_PARAMS
from pintu.web.ngsi_ld.routing import Methods
from pintu.web.ngsi_ld.temporal_asking import LOOK_PARAMS, TIME_PARAMS

_LOCAL = frozenset(("local",))
_MAPS = frozenset(("entityMap", "entityMapLifetime", "entityMapRetainDuration", "splitEntities"))
_ONE = TIME_PARAMS | LOOK_PARAMS | _MAPS
_MANY = _ONE | SELECT_PARAMS | PAGE_PARAMS | {"orderBy", "expandValues"}
_WRITE, _DELETE = Deed.WRITE, Deed.DELETE

TABLE: dict[str, Methods] = {
    "temporal/entityMaps": {
        "GET": Operation(
            name="createTemporalEntityMap", clause="5.14.5", handler=reading.create_map,
            params=_MANY, offer="data",
        ),
    },
    "temporal/entityMaps/{id}": entity_maps.TABLE["entityMaps/{id}"],
    "temporal/entities": {
        "GET": Operation(
            name="queryTemporalEvolution", clause="5.7.4", handler=reading.query_histories,
            distributed=distributed_temporal.query_histories,
            params=_MANY, offer="data",
        ),
        "POST": Operation(
            name="createTemporalEvolution", clause="5.6.11", handler=writing.create_history,
            distributed=divided.create_history,
            deed=_WRITE, body="one", params=_LOCAL, opens_tenant=True,
        ),
    },
    "temporal/entities/{id}": {
        "GET": Operation(
            name="retrieveTemporalEvolution", clause="5.7.3", handler=reading.retrieve_history,
            distributed=distributed_temporal.retrieve_history,
            params=_ONE, offer="data",
        ),
        "DELETE": Operation(
            name="deleteTemporalEvolution", clause="5.6.16", handler=writing.delete_history,
            distributed=divided.delete_history,
            deed=_DELETE, params=_LOCAL,
        ),
    },
    "temporal/entities/{id}/attrs": {
        "POST": Operation(
            name="appendTemporalAttributes", clause="5.6.12", handler=writing.append_history,
            distributed=divided.append_history,
            deed=_WRITE, body="one", params=_LOCAL,
        ),
    },
    "temporal/entities/{id}/attrs/{attribute}": {
        "DELETE": Operation(
            name="deleteTemporalAttribute", clause="5.6.13",
            handler=writing.delete_attribute_history, deed=_DELETE,
            distributed=divided.delete_attribute_history, params=writing.DELETE_PARAMS,
        ),
    },
    "temporal/entities/{id}/attrs/{attribute}/{instance}": {
        "PATCH": Operation(
            name="updateTemporalInstance", clause="5.6.14", handler=writing.patch_instance,
            distributed=divided.patch_instance,
            deed=_WRITE, body="one", merge_patch=True, params=_LOCAL,
        ),
        "DELETE": Operation(
            name="deleteTemporalInstance", clause="5.6.15", handler=writing.delete_instance,
            distributed=divided.delete_instance,
            deed=_DELETE, params=_LOCAL,
        ),
    },
    "temporal/entityOperations/query": {
        "POST": Operation(
            name="queryTemporalByPost", clause="5.7.4", handler=reading.query_histories_by_post,
            distributed=distributed_temporal.query_histories_by_post,
            body="one", params=PAGE_PARAMS | LOOK_PARAMS | _MAPS, offer="data",
        ),
    },
}  # fmt: skip

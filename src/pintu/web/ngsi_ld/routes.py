"""The route table: every resource, its methods, and the operation of the standard behind each."""

from __future__ import annotations

from pintu.kernel.access import Deed
from pintu.web.ngsi_ld import (
    as_of,
    attributes,
    batches,
    contexts,
    discovery,
    distributed_read_kinds,
    distributed_write,
    distributed_write_batches,
    distributed_write_purge,
    entity_maps,
    info,
    provision,
    purge,
    snapshots,
    source_watchers,
    sources,
    subscribed_via,
    subscriptions,
    temporal,
)
from pintu.web.ngsi_ld.asking import ORDER_PARAMS, SELECT_PARAMS
from pintu.web.ngsi_ld.joining import JOIN_PARAMS
from pintu.web.ngsi_ld.looking import VIEW_PARAMS
from pintu.web.ngsi_ld.operation import Operation
from pintu.web.ngsi_ld.paging import PAGE_PARAMS
from pintu.web.ngsi_ld.routing import Methods, Routes

_LOCAL = frozenset(("local",))
_AT = frozenset(("at",))
_MAPS = frozenset(("entityMap", "entityMapLifetime", "entityMapRetainDuration", "splitEntities"))
_ENTITY = VIEW_PARAMS | JOIN_PARAMS | _LOCAL | _MAPS | {"type"}
_QUERY = SELECT_PARAMS | ORDER_PARAMS | PAGE_PARAMS | _ENTITY | {"explain"}
_READ, _WRITE, _DELETE = Deed.READ, Deed.WRITE, Deed.DELETE

_ENTITIES: dict[str, Methods] = {
    "entities": {
        "GET": Operation(
            name="queryEntities", clause="5.7.2", handler=as_of.query_entities,
            distributed=as_of.query_distributed,
            params=_QUERY | _AT, offer="entity",
        ),
        "POST": Operation(
            name="createEntity", clause="5.6.1", handler=provision.create_entity, deed=_WRITE,
            body="one", params=_LOCAL, opens_tenant=True,
            distributed=distributed_write.create_entity,
        ),
        "DELETE": Operation(
            name="purgeEntities", clause="5.6.21", handler=purge.purge_entities, deed=_DELETE,
            params=purge.PARAMS,
            distributed=distributed_write_purge.purge_entities,
        ),
    },
    "entities/{id}": {
        "GET": Operation(
            name="retrieveEntity", clause="5.7.1", handler=as_of.retrieve_entity,
            distributed=as_of.retrieve_distributed,
            params=_ENTITY | _AT, offer="entity",
        ),
        "PUT": Operation(
            name="replaceEntity", clause="5.6.18", handler=provision.replace_entity, deed=_WRITE,
            body="one", params=_LOCAL | {"type"},
            distributed=distributed_write.replace_entity,
        ),
        "PATCH": Operation(
            name="mergeEntity", clause="5.6.17", handler=provision.merge_entity, deed=_WRITE,
            body="one", merge_patch=True, params=provision.MERGE_PARAMS,
            distributed=distributed_write.merge_entity,
        ),
        "DELETE": Operation(
            name="deleteEntity", clause="5.6.6", handler=provision.delete_entity, deed=_DELETE,
            params=_LOCAL | {"type"},
            distributed=distributed_write.delete_entity,
        ),
    },
    "entities/{id}/attrs": {
        "POST": Operation(
            name="appendEntityAttributes", clause="5.6.3", handler=attributes.append_attributes,
            deed=_WRITE, body="one", merge_patch=True, params=attributes.APPEND_PARAMS,
            distributed=distributed_write.append_attributes,
        ),
        "PATCH": Operation(
            name="updateEntityAttributes", clause="5.6.2", handler=attributes.update_attributes,
            deed=_WRITE, body="one", merge_patch=True, params=_LOCAL | {"type"},
            distributed=distributed_write.update_attributes,
        ),
    },
    "entities/{id}/attrs/{attribute}": {
        "PATCH": Operation(
            name="partialAttributeUpdate", clause="5.6.4", handler=attributes.patch_attribute,
            deed=_WRITE, body="one", merge_patch=True, params=_LOCAL | {"type"},
            distributed=distributed_write.patch_attribute,
        ),
        "PUT": Operation(
            name="replaceEntityAttribute", clause="5.6.19", handler=attributes.replace_attribute,
            deed=_WRITE, body="one", params=_LOCAL | {"type"},
            distributed=distributed_write.replace_attribute,
        ),
        "DELETE": Operation(
            name="deleteEntityAttribute", clause="5.6.5", handler=attributes.delete_attribute,
            deed=_DELETE, params=attributes.DELETE_PARAMS,
            distributed=distributed_write.delete_attribute,
        ),
    },
}  # fmt: skip

_BATCHES: dict[str, Methods] = {
    "entityOperations/create": {
        "POST": Operation(
            name="createEntityBatch", clause="5.6.7", handler=batches.create_batch, deed=_WRITE,
            body="many", params=batches.PARAMS, opens_tenant=True,
            distributed=distributed_write_batches.create_batch,
        )
    },
    "entityOperations/upsert": {
        "POST": Operation(
            name="upsertEntityBatch", clause="5.6.8", handler=batches.upsert_batch, deed=_WRITE,
            body="many", params=batches.PARAMS, opens_tenant=True,
            distributed=distributed_write_batches.upsert_batch,
        )
    },
    "entityOperations/update": {
        "POST": Operation(
            name="updateEntityBatch", clause="5.6.9", handler=batches.update_batch, deed=_WRITE,
            body="many", params=batches.PARAMS,
            distributed=distributed_write_batches.update_batch,
        )
    },
    "entityOperations/merge": {
        "POST": Operation(
            name="mergeEntityBatch", clause="5.6.20", handler=batches.merge_batch, deed=_WRITE,
            body="many", merge_patch=True, params=batches.PARAMS,
            distributed=distributed_write_batches.merge_batch,
        )
    },
    "entityOperations/delete": {
        "POST": Operation(
            name="deleteEntityBatch", clause="5.6.10", handler=batches.delete_batch, deed=_DELETE,
            body="many", params=_LOCAL,
            distributed=distributed_write_batches.delete_batch,
        )
    },
    "entityOperations/query": {
        "POST": Operation(
            name="queryEntitiesByPost", clause="5.7.2", handler=entity_maps.query_by_post,
            distributed=entity_maps.query_by_post_distributed,
            body="one", params=PAGE_PARAMS | VIEW_PARAMS | _LOCAL | _MAPS | {"explain"},
            offer="entity",
        )
    },
}  # fmt: skip

_DISCOVERY: dict[str, Methods] = {
    "types": {
        "GET": Operation(
            name="listEntityTypes", clause="5.7.5", handler=discovery.list_types,
            distributed=distributed_read_kinds.list_types,
            params=discovery.PARAMS, offer="data",
        )
    },
    "types/{type}": {
        "GET": Operation(
            name="retrieveEntityType", clause="5.7.7", handler=discovery.retrieve_type,
            distributed=distributed_read_kinds.retrieve_type,
            params=_LOCAL, offer="data",
        )
    },
    "attributes": {
        "GET": Operation(
            name="listAttributes", clause="5.7.8", handler=discovery.list_attributes,
            distributed=distributed_read_kinds.list_attributes,
            params=discovery.PARAMS, offer="data",
        )
    },
    "attributes/{attribute}": {
        "GET": Operation(
            name="retrieveAttribute", clause="5.7.10", handler=discovery.retrieve_attribute,
            distributed=distributed_read_kinds.retrieve_attribute,
            params=_LOCAL, offer="data",
        )
    },
    "info/sourceIdentity": {
        "GET": Operation(
            name="retrieveSourceIdentity", clause="5.15.1", handler=info.source_identity,
            params=_LOCAL, offer="data", any_tenant=True,
        )
    },
}  # fmt: skip

_CONTEXTS: dict[str, Methods] = {
    "jsonldContexts": {
        "GET": Operation(
            name="listContexts", clause="5.13.3", handler=contexts.list_contexts,
            params=contexts.LIST_PARAMS, offer="data", any_tenant=True,
        ),
        "POST": Operation(
            name="addContext", clause="5.13.2", handler=contexts.add_context, deed=_WRITE,
            body="context", params=_LOCAL, opens_tenant=True,
        ),
    },
    "jsonldContexts/{id}": {
        "GET": Operation(
            name="serveContext", clause="5.13.4", handler=contexts.serve_context,
            params=contexts.SERVE_PARAMS, offer="data",
        ),
        "DELETE": Operation(
            name="deleteContext", clause="5.13.5", handler=contexts.delete_context, deed=_DELETE,
            params=contexts.DELETE_PARAMS,
        ),
    },
}  # fmt: skip


TABLE: dict[str, Methods] = {
    **_ENTITIES,
    **_BATCHES,
    **_DISCOVERY,
    **_CONTEXTS,
    **entity_maps.TABLE,
    **sources.TABLE,
    **source_watchers.TABLE,
    **snapshots.TABLE,
    **subscriptions.TABLE,
    **subscribed_via.TABLE,
    **temporal.TABLE,
}
ROUTES = Routes(TABLE)

"""What a PostgreSQL server needs before a city lives on it, as SQL: roles, schema, a view to read.

Every statement may be run again; none holds a password, only what checks one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from pintu.kernel.store.postgres.schema import MIGRATIONS

ITERATIONS = 4096  # what PostgreSQL itself does; our passwords are random, not remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Who is who on the server, named after the city's schema."""

    schema: str

    @property
    def owner(self) -> str:
        """Owns everything of the city; nobody signs in as it."""
        return self.schema

    @property
    def city(self) -> str:
        """Signs in for the city and acts as the owner: it can be replaced and no table moves."""
        return f"{self.schema}_city"

    @property
    def read(self) -> str:
        """Signs in for analysts and GIS; the schema of the same name is all it sees."""
        return f"{self.schema}_read"


def verifier(password: str, salt: bytes | None = None) -> str:
    """What the server keeps to check a password by (RFC 5802): it signs nobody in."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    shown = (base64.b64encode(one).decode() for one in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *shown)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def make_database(database: str) -> str:
    """A database of its own, its texts ordered by code point whatever the server's locale is."""
    return f"CREATE DATABASE {quoted(database)} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"


def close_database(database: str) -> str:
    """A database that was made for the city is nobody else's."""
    return f"REVOKE ALL ON DATABASE {quoted(database)} FROM PUBLIC"


def make_role(name: str, options: str) -> str:
    """A role, made unless it is there."""
    return (
        f"DO $pintu$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text(name)}) THEN\n"
        f"  CREATE ROLE {quoted(name)} {options};\nEND IF; END $pintu$"
    )


def set_password(name: str, password: str) -> str:
    """Let a role sign in with a password."""
    return f"ALTER ROLE {quoted(name)} LOGIN PASSWORD {text(verifier(password))}"


def grant_roles(roles: Roles, database: str) -> list[str]:
    """Who may do what in the database; each role no more than it needs."""
    owner, city, read, here = (
        quoted(one) for one in (roles.owner, roles.city, roles.read, database)
    )
    return [
        f"GRANT {owner} TO {city}",
        f"ALTER ROLE {city} IN DATABASE {here} SET role = {text(roles.owner)}",
        f"GRANT CONNECT ON DATABASE {here} TO {owner}, {city}, {read}",
        # a piece that comes later gets a schema of its own
        f"GRANT CREATE, TEMPORARY ON DATABASE {here} TO {owner}",
        f"GRANT USAGE ON SCHEMA public TO {owner}, {read}",
        f"ALTER ROLE {read} CONNECTION LIMIT 20",
        f"ALTER ROLE {read} IN DATABASE {here} SET default_transaction_read_only = on",
        f"ALTER ROLE {read} IN DATABASE {here} SET statement_timeout = '60s'",
        f"ALTER ROLE {read} IN DATABASE {here} SET search_path = {read}, public",
    ]


def act_as(owner: str) -> list[str]:
    """What is made from here on belongs to the owner; an administrator of less than everything
    becomes a member first."""
    return [
        (
            "DO $pintu$ BEGIN IF NOT pg_has_role(current_user, "
            f"{text(owner)}, 'MEMBER') THEN\n"
            f"  EXECUTE format('GRANT %I TO %I', {text(owner)}, current_user);\n"
            "END IF; END $pintu$"
        ),
        f"SET ROLE {quoted(owner)}",
    ]


def make_schema(schema: str) -> list[str]:
    """The city's schema with its tables as they are newest; older ones the city itself brings to
    that when it starts."""
    made = "".join(MIGRATIONS)
    version = f"INSERT INTO meta VALUES('version', {len(MIGRATIONS)})"
    return [
        f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}",
        f"SET search_path TO {quoted(schema)}, public",
        (
            "DO $pintu$ BEGIN IF to_regclass("
            f"{text(quoted(schema) + '.meta')}) IS NULL THEN\n"
            f"EXECUTE $first${made}{version}$first$;\nEND IF; END $pintu$"
        ),
    ]


def make_view(roles: Roles) -> list[str]:
    """What analysts see: every entity that has not expired as a document and a geometry."""
    city, read = quoted(roles.schema), quoted(roles.read)
    return [
        f"CREATE SCHEMA IF NOT EXISTS {read}",
        f"""\
CREATE OR REPLACE FUNCTION {read}.document(body bytea) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT AS $body$ BEGIN
  RETURN convert_from(body, 'UTF8')::jsonb;
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
  RETURN NULL;  -- the character NUL, which jsonb cannot hold
END $body$""",
        f"""\
CREATE OR REPLACE FUNCTION {read}.place(document jsonb) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = public, pg_catalog AS $body$
DECLARE place jsonb := document -> 'location'; BEGIN
  IF jsonb_typeof(place) = 'array' THEN place := place -> 0; END IF;
  RETURN ST_SetSRID(ST_GeomFromGeoJSON(place -> 'value'), 4326);
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;  -- an entity without a place, or with one that PostGIS cannot draw
END $body$""",
        f"""\
CREATE OR REPLACE VIEW {read}.entities AS
SELECT tenant.name AS tenant, entity.id,
  ARRAY(SELECT jsonb_array_elements_text(kind.types::jsonb)) AS types,
  shown.document, {read}.place(shown.document)::geometry(Geometry, 4326) AS geometry,
  to_timestamp(entity.created / 1e6) AS created_at,
  to_timestamp(entity.modified / 1e6) AS modified_at
FROM {city}.entity JOIN {city}.tenant ON tenant.n = entity.tenant
JOIN {city}.kind ON kind.n = entity.kind
CROSS JOIN LATERAL (SELECT {read}.document(entity.body) AS document OFFSET 0) AS shown
WHERE entity.expires IS NULL OR entity.expires > extract(epoch FROM now()) * 1e6""",
        f"GRANT USAGE ON SCHEMA {read} TO {read}",
        f"GRANT SELECT ON {read}.entities TO {read}",
    ]


def script(roles: Roles, database: str, passwords: dict[str, str]) -> str:
    """Everything as one script for `psql`, connected to any database as an administrator."""
    made = make_database(database)
    first = [
        (
            f"SELECT {text(made)} WHERE NOT EXISTS\n"
            f"  (SELECT FROM pg_database WHERE datname = {text(database)}) \\gexec"
        ),
        make_role(roles.owner, "NOLOGIN") + ";",
        make_role(roles.city, "LOGIN") + ";",
        make_role(roles.read, "LOGIN") + ";",
        *(set_password(name, password) + ";" for name, password in passwords.items()),
        f"\\connect {quoted(database)}",
        "CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public;",
    ]
    then = [
        *grant_roles(roles, database),
        *act_as(roles.owner),
        *make_schema(roles.schema),
        *make_view(roles),
    ]
    head = (
        "-- Pintu: a city on PostgreSQL. Run by an administrator: psql -f THIS; may be run again."
    )
    parts = [head, "\\set ON_ERROR_STOP on", *first, *(f"{one};" for one in then)]
    return "\n".join(parts) + "\n"

"""A CAP document's signature (XML-DSig, enveloped: CAP 1.2, 3.3.4), held against a certificate.

Only what the signature covers counts: a message hidden beside the signed one is found by reading
the signed bytes again. Needs the extra `signatures` (signxml and its lxml, about 5 MB).
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec

import msgspec

from pintu.protocols.cap_read import read
from pintu.protocols.cap_words import CapAlert
from pintu.protocols.cap_xml import CapError


def can_check() -> bool:
    """Whether the extra is installed."""
    return find_spec("signxml") is not None


def check(document: bytes, alert: CapAlert, certificate: str, at_us: int) -> str:
    """Why a signature is not good, "" when it is: `alert` is what was read of the document, the
    certificate is PEM and must be valid at a moment (µs UTC). SHA-1 is not accepted."""
    if not alert.signed:
        return "The document is not signed"
    if not can_check():
        return "Signatures cannot be checked here: the extra 'signatures' is not installed"
    from lxml import etree
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    # what the reader refused (document types, depth, size) never comes here
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    at = datetime.fromtimestamp(at_us / 1e6, UTC)
    wanted = SignatureConfiguration(location="./", expect_references=1, verification_time=at)
    try:
        root = etree.fromstring(document, parser)
        found = XMLVerifier().verify(root, x509_cert=certificate, expect_config=wanted)
        covered = read(found.signed_data)  # type: ignore[union-attr]
    except (SignXMLException, etree.LxmlError, CapError, ValueError, TypeError) as error:
        return f"The signature is not good: {type(error).__name__}: {str(error)[:200]}"
    if covered != msgspec.structs.replace(alert, signed=covered.signed):
        return "The signature covers something else than this message"
    return ""

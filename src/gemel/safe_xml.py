"""Reads XML that others wrote: no DTD, no entities, no network, no giants."""

from __future__ import annotations

from typing import Any

from lxml import etree

from gemel.errors import InvalidDocument, Problem

__all__ = ["MAX_BYTES", "local_name", "parse_xml"]

MAX_BYTES = 32 * 1024 * 1024
MAX_NODES = 10_000_000
"""Tags and attributes: each takes some hundred bytes of memory, however short it is written."""


def parse_xml(data: bytes, name: str = "XML document", *, limit: int = MAX_BYTES) -> Any:
    """The root element.

    Raises InvalidDocument for anything larger than `limit`, of too many nodes, not well-formed, or with a DOCTYPE.
    """
    if len(data) > limit:
        raise InvalidDocument(name, [Problem(f"it has {len(data)} bytes; at most {limit} are read")])
    if (nodes := data.count(b"<") + data.count(b"=")) > MAX_NODES:
        raise InvalidDocument(
            name, [Problem(f"it has some {nodes} tags and attributes; at most {MAX_NODES} are read: divide it")]
        )
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise InvalidDocument(name, [Problem(str(error.msg), line=line, column=column)]) from None
    if root.getroottree().docinfo.internalDTD is not None or root.getroottree().docinfo.doctype:
        raise InvalidDocument(name, [Problem("a DOCTYPE is not allowed; remove it", line=1)])
    return root


def local_name(element: Any) -> str:
    """The tag without its namespace; "" for what is no element."""
    return element.tag.rpartition("}")[2] if element is not None and isinstance(element.tag, str) else ""

"""A document of any content in the formats that people read: Markdown, a page, Word, PDF."""

from pipeline.export.document.model import (
    Block,
    Document,
    Heading,
    Inline,
    Line,
    Link,
    Listing,
    Paragraph,
    Row,
    Soft,
    Strong,
    Table,
    plain,
    safe_target,
    tidy,
)

__all__ = [
    "Block",
    "Document",
    "Heading",
    "Inline",
    "Line",
    "Link",
    "Listing",
    "Paragraph",
    "Row",
    "Soft",
    "Strong",
    "Table",
    "plain",
    "safe_target",
    "tidy",
]

"""The life of an item in words, step by step."""

from __future__ import annotations

from memory.minutes import Minutes
from memory.notes import Change, Due, Owner


def step(minutes: Minutes, before: Change, change: Change, *, had: Owner | None = None, was: Due | None = None) -> str:
    """One step of an item's life in words, `had` its owner before and `was` its day; "" if it says nothing new."""
    by = " by hand" if change.by == "user" else ""
    owner = minutes.said_by(change.owner) if change.owner else ""
    match change.change:
        case "reassigned" | "assigned":
            giver = minutes.said_by(had) if had and owner and change.change == "reassigned" else ""
            if giver and giver == owner and not by:
                return ""  # two labels until somebody gave both one name
            return f"{change.change}{f' from {giver}' if giver not in ('', owner) else ''} to {owner or 'nobody'}{by}"
        case "reversed" | "changed":
            told = before.what and change.what and before.what != change.what
            return f"{change.change}{by} from: {before.what}" if told else f"{change.change}{by}"
        case "due" if change.due is not None:
            instead = f" instead of {was.phrase}" if was and was.phrase not in ("", change.due.phrase) else ""
            return f"due {change.due.phrase or 'at no fixed time'}{instead}{by}"
        case "carried" | "raised":
            return ""
        case _:
            return f"{change.change}{by}"

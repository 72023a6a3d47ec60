"""What the memory marks an utterance with: the seam between the model and the notes that are made of its marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GROUP, UNKNOWN = "group", ""  # an owner that is everybody, and one that nobody can name


@dataclass(frozen=True)
class Marks:
    """The model's view of one utterance; every probability is calibrated, 0 to 1."""

    utterance_id: str
    act: str  # dialogue act, one of the 15 of AMI
    action: float  # it is evidence of an action item
    owner: str  # of that action item: a speaker label such as "S1", GROUP or UNKNOWN
    owner_probability: float
    decision: float
    question: float  # it raises a problem or a question that stays open
    salience: float  # it belongs into a summary
    topic: int  # number of the topic that it belongs to, by first appearance; a return has the old number
    boundary: Literal["", "new", "return"]  # a topic begins here, or one comes back
    role: str = ""  # of its speaker, where the model knows ("PM", "ID", "ME", "UI")
    read_ids: tuple[str, ...] = ()  # utterances that the memory read most for this view

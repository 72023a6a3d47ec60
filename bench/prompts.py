"""Whether words that the shelf names help the recogniser: `python -m bench.prompts`, the sample with and without."""

from __future__ import annotations

import tempfile
from pathlib import Path

from audio.embedded.texts import words
from bench.command import shown_utterances
from bench.report import circumstances, progress, table
from bench.score import MEETING, meeting_lines, word_errors
from pipeline.config import DEFAULTS, load
from pipeline.shelf import open_shelf, prompt_terms, refresh

TERMS = 20  # as `retrieval.prompt_terms: 20`
LAUNCH = "hall posters press launch euros reserve"  # what the budget says of the launch, which is misheard without
FLAGS = ("--model", "embedded", "--beam-size", "5")


def main() -> None:
    """Print word errors by what the recogniser was told to expect."""
    reference = words(" ".join(line.text for line in meeting_lines()))
    settings = load(file=DEFAULTS, environ={})
    with tempfile.TemporaryDirectory() as home:
        shelf = open_shelf(settings.retrieval, Path(home))
        shelf.set_places([str(MEETING.parent / "docs")])
        refresh(shelf, settings.retrieval)
        expected = {"nothing": "", f"{TERMS} terms of the documents": " ".join(prompt_terms(shelf, TERMS))}
        expected["the words of the passage on the launch"] = LAUNCH
        terms = set(words(" ".join(expected.values())))
        rows = []
        for name, hotwords in expected.items():
            flags = (*FLAGS, "--hotwords", hotwords) if hotwords else FLAGS
            said = shown_utterances([MEETING], Path(home), *flags)[MEETING.name]
            errors = word_errors(reference, words(" ".join(u.text for u in said)))
            at_terms = [count for word, count in zip(reference, errors, strict=True) if word in terms]
            booked = next((u.text.strip() for u in said if "book the" in u.text), "")
            rows.append((name, f"{sum(errors) / len(errors):.1%}", f"{sum(at_terms)} of {len(at_terms)}", booked))
            progress(name)
    print(table(("told to expect", "WER", "errors at these words", 'for "I will book the hall in two weeks."'), rows))
    print(circumstances())


if __name__ == "__main__":
    main()

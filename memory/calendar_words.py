"""The words of dates, and how other languages' forms become the English ones that `due.py` reads."""

from __future__ import annotations

from datetime import date, timedelta

WEEKDAYS = {d: i for i, d in enumerate("monday tuesday wednesday thursday friday saturday sunday".split())}
MONTHS = {
    m: i
    for i, m in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
SHORT_MONTHS = {name[:3]: number for name, number in MONTHS.items() if name != "may"} | {"sept": 9}
_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen".split()
)
NUMBERS = {word: i for i, word in enumerate([*_ONES, "eighteen", "nineteen", "twenty"], 1)} | {
    "a": 1, "an": 1, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "couple": 2,
}  # fmt: skip
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
ORDINALS = {word: i for i, word in enumerate(_ORDINALS, 1)} | {"thirtieth": 30}
TENS = {"twenty": 20, "thirty": 30}

# Word by word; "" leaves the word out. Forms that need grammar are left alone: the phrase stays, without a date.
FOREIGN: dict[str, dict[str, str]] = {
    "de": {
        "bis": "by", "am": "on", "zum": "by", "vor": "before", "heute": "today", "abend": "evening", "morgen": "tomorrow",
        "übermorgen": "overmorrow", "montag": "monday", "dienstag": "tuesday", "mittwoch": "wednesday", "donnerstag": "thursday",
        "freitag": "friday", "samstag": "saturday", "sonntag": "sunday", "nächsten": "next", "nächste": "next", "nächster": "next",
        "nächstem": "next", "nächstes": "next", "diesen": "this", "diese": "this", "dieser": "this", "kommenden": "next",
        "kommende": "next", "woche": "week", "wochen": "weeks", "tagen": "days", "tag": "day", "tage": "days", "monat": "month",
        "monats": "month", "monate": "months", "monaten": "months", "jahr": "year", "jahres": "year", "ende": "end",
        "des": "of the", "der": "of the", "einer": "a", "einem": "a", "zwei": "two", "drei": "three", "vier": "four",
        "fünf": "five", "sechs": "six", "zehn": "ten", "vierzehn": "fourteen", "in": "in", "januar": "january",
        "februar": "february", "märz": "march", "mai": "may", "juni": "june", "juli": "july", "oktober": "october",
        "dezember": "december", "quartals": "quarter", "den": "the", "spätestens": "",
    },
    "fr": {
        "avant": "before", "pour": "by", "aujourd'hui": "today", "demain": "tomorrow", "soir": "evening", "matin": "morning",
        "lundi": "monday", "mardi": "tuesday", "mercredi": "wednesday", "jeudi": "thursday", "vendredi": "friday",
        "samedi": "saturday", "dimanche": "sunday", "dans": "in", "une": "a", "un": "a", "deux": "two", "trois": "three",
        "quatre": "four", "dix": "ten", "semaine": "week", "semaines": "weeks", "jours": "days", "jour": "day", "mois": "month",
        "fin": "end", "du": "of the", "de": "of", "la": "the", "le": "the", "année": "year", "janvier": "january", "février": "february",
        "mars": "march", "avril": "april", "mai": "may", "juin": "june", "juillet": "july", "août": "august",
        "septembre": "september", "octobre": "october", "novembre": "november", "décembre": "december",
    },
    "es": {
        "antes": "before", "para": "by", "hoy": "today", "mañana": "tomorrow", "lunes": "monday", "martes": "tuesday",
        "miércoles": "wednesday", "jueves": "thursday", "viernes": "friday", "sábado": "saturday", "domingo": "sunday",
        "en": "in", "una": "a", "un": "a", "dos": "two", "tres": "three", "cuatro": "four", "diez": "ten", "semana": "week",
        "semanas": "weeks", "días": "days", "día": "day", "mes": "month", "meses": "months", "fin": "end", "final": "end",
        "finales": "end", "del": "of the", "de": "of", "el": "the", "la": "the", "año": "year", "próximo": "next", "próxima": "next", "este": "this",
        "esta": "this", "enero": "january", "febrero": "february", "marzo": "march", "abril": "april", "mayo": "may",
        "junio": "june", "julio": "july", "agosto": "august", "septiembre": "september", "octubre": "october",
        "noviembre": "november", "diciembre": "december", "que": "", "viene": "next",
    },
}  # fmt: skip


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Gauss's rule in the form of Meeus, Astronomical Algorithms, ch. 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def holiday(name: str, year: int) -> date | None:
    """The day of a feast that dates are given by; None for one that is not known."""
    moving = {"good friday": -2, "easter": 0, "easter monday": 1, "ascension": 39, "pentecost": 49, "whit monday": 50}
    if name in moving:
        return easter(year) + timedelta(days=moving[name])
    fixed = {"christmas": (12, 25), "christmas eve": (12, 24), "new year": (1, 1), "new year eve": (12, 31),
             "halloween": (10, 31), "boxing day": (12, 26)}  # fmt: skip
    return date(year, *fixed[name]) if name in fixed else None

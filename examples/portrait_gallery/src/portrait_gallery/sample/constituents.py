"""The constituents, people and firms, and their thesaurus terms.

A constituent is known by its slot. Each 29th slot was withdrawn later: its terms are still there,
as in a real export, and nothing else is.
"""

from collections.abc import Sequence

import polars as pl

from portrait_gallery.sample import _words as words
from portrait_gallery.sample._dice import Dice, entry
from portrait_gallery.sample._rows import (
    POSITION,
    ROW,
    UNKNOWN_YEAR,
    filled_if,
    repeated,
    rows,
    text_if,
)

_WITHDRAWN_EVERY = 29
_DISTINCTIONS_A_PERSON = {0: 3, 1: 3, 2: 1, 3: 1, 5: 2}
_ATTRIBUTES = "Local Authorities\\Attributes\\Constituents\\"
_CONTINENTS = "The Thesaurus of Geographic Names\\World\\continents\\"
_born, _died = pl.col("born"), pl.col("born") + 61


def constituents(count: int, dice: Dice) -> pl.LazyFrame:
    """Return the table of constituents."""
    is_firm, is_placeholder = _is_firm(dice, ROW), _is_placeholder(ROW)
    is_person = ~is_firm & ~is_placeholder
    name, initial = constituent_name(dice, ROW), _initial(dice, ROW)
    first, last = _first_name(dice, ROW), _last_name(dice, ROW)
    whole_name = pl.format("{}, {} {}", last, first, initial).str.strip_chars()
    last_word = pl.when(is_person).then(last).otherwise(name.str.strip_chars("()"))
    return (
        _slots(count)
        .filter(ROW % _WITHDRAWN_EVERY != _WITHDRAWN_EVERY - 1)
        .with_columns(
            born=1_700 + dice.roll("born", 280, ROW),
            life=filled_if(~is_placeholder, dice.pick("life", words.LIVES, ROW)),
        )
        .select(
            ConstituentID=constituent_id(dice, ROW),
            ConstituentType=entry(is_firm.cast(pl.Int8), ["Individual", "Institution"]),
            DisplayName=name,
            NameTitle=filled_if(is_person & dice.hits("title", 0.02, ROW), pl.lit("Dr. ")),
            FirstName=filled_if(is_person, first),
            MiddleName=filled_if(is_person & (initial != ""), initial),
            LastName=filled_if(~is_firm, last_word),
            Suffix=filled_if(is_person & _is_junior(dice, ROW), pl.lit("Jr.")),
            Institution=filled_if(is_firm, name),
            AlphaSort=pl.when(is_person).then(whole_name).otherwise(name),
            BeginDate=_year_if(words.LIVES_WITH_BEGIN, _born),
            EndDate=_year_if(words.LIVES_WITH_END, _died),
            DisplayDate=pl.col("life")
            .str.replace("BORN", _born.cast(pl.String), literal=True)
            .str.replace("DIED", _died.cast(pl.String), literal=True),
        )
    )


def constituent_terms(count: int, dice: Dice) -> pl.LazyFrame:
    """Return the table of constituents' thesaurus terms, those of withdrawn ones among them."""
    known = _slots(count).filter(~_is_placeholder(ROW))
    distinctions = repeated(known, dice.count("distinctions", _DISTINCTIONS_A_PERSON, ROW))
    distinction = dice.roll("distinction", len(words.DISTINCTIONS), ROW * 8 + POSITION)
    people = known.filter(~_is_firm(dice, ROW))
    tables = [
        _terms(distinctions, "Distinction", distinction, words.DISTINCTIONS, dice),
        _terms(people, "Gender", dice.roll("gender", 8, ROW), words.GENDERS, dice),
    ]
    for name, share in {"Place of birth": 56, "Place of death": 39, "Active place": 34}.items():
        placed = known.filter(dice.hits(name, share / 100, ROW))
        place = dice.roll(f"{name} term", len(words.PLACES), ROW)
        tables.append(_terms(placed, name, place, words.PLACES, dice))
    return pl.concat(tables)


def _terms(
    frame: pl.LazyFrame,
    kind: str,
    chosen: pl.Expr,
    terms: Sequence[tuple[str, str]],
    dice: Dice,
) -> pl.LazyFrame:
    root = _CONTINENTS if "place" in kind.lower() else f"{_ATTRIBUTES}{kind}\\"
    return frame.select(
        ConstituentID=constituent_id(dice, ROW),
        ThesXrefType=pl.lit(kind),
        Term=entry(chosen, [term for term, _ in terms]),
        Path=entry(chosen, [root + path for _, path in terms]),
    )


def kept_slot(number: pl.Expr) -> pl.Expr:
    """Return the slot of the constituent of this number among those not withdrawn."""
    return number + number // (_WITHDRAWN_EVERY - 1)


def constituent_id(dice: Dice, slot: pl.Expr) -> pl.Expr:
    """Return the id of the constituent in a slot."""
    spread = slot * 9 + dice.roll("constituent", 9, slot)
    return pl.when(_is_placeholder(slot)).then(slot).otherwise(spread)


def constituent_name(dice: Dice, slot: pl.Expr) -> pl.Expr:
    """Return the display name of the constituent in a slot."""
    first, initial, last = (each(dice, slot) for each in (_first_name, _initial, _last_name))
    nickname = pl.format(' "{}"', dice.pick("nickname", words.NICKNAMES, slot))
    middle = text_if(initial != "", pl.lit(" ") + initial)
    middle = pl.when(dice.hits("known as", 0.003, slot)).then(nickname).otherwise(middle)
    junior = text_if(_is_junior(dice, slot), pl.lit(", Jr."))
    return (
        pl.when(_is_placeholder(slot))
        .then(entry(slot, words.PLACEHOLDERS))
        .when(_is_firm(dice, slot))
        .then(pl.format("{} {}", last, dice.pick("trade", words.FIRMS, slot)))
        .otherwise(pl.format("{}{} {}{}", first, middle, last, junior))
    )


def _slots(count: int) -> pl.LazyFrame:
    return rows(count + (count - 1) // (_WITHDRAWN_EVERY - 1))


def _year_if(lives: Sequence[str], year: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("life").is_in(lives)).then(year).otherwise(UNKNOWN_YEAR)


def _is_placeholder(slot: pl.Expr) -> pl.Expr:
    return slot < len(words.PLACEHOLDERS)


def _is_firm(dice: Dice, slot: pl.Expr) -> pl.Expr:
    return dice.hits("firm", 0.036, slot) & ~_is_placeholder(slot)


def _is_junior(dice: Dice, slot: pl.Expr) -> pl.Expr:
    return dice.hits("junior", 0.03, slot)


def _first_name(dice: Dice, slot: pl.Expr) -> pl.Expr:
    return dice.pick("first name", words.FIRST_NAMES, slot)


def _initial(dice: Dice, slot: pl.Expr) -> pl.Expr:
    return dice.pick("initial", words.INITIALS, slot)


def _last_name(dice: Dice, slot: pl.Expr) -> pl.Expr:
    return dice.pick("last name", words.LAST_NAMES, slot)

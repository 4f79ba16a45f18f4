"""Who sits for an object, who made it, and what it is called."""

import polars as pl

from portrait_gallery.sample import _words as words
from portrait_gallery.sample._dice import Dice
from portrait_gallery.sample._rows import POSITION, ROW, repeated, rows, stray_spaces
from portrait_gallery.sample.constituents import constituent_id, constituent_name, kept_slot
from portrait_gallery.sample.objects import object_id

_CROWD_ROW, _CROWD_SIZE = 11, 160
_REPEAT_ROW = 7
_LAST_TITLE_ROW = 23
_LAST_ORDER = 32_767  # The largest number of the source's type, for a title to come last.
_TITLES_AN_OBJECT = {1: 9_256, 2: 731, 3: 12, 4: 1}
_LINKS_AN_OBJECT = {1: 6, 2: 753, 3: 159, 4: 40, 5: 14, 6: 10, 7: 4, 9: 4, 10: 3, 13: 3, 27: 4}
_ARTIST, _SITTER, _RELATED, _ASSOCIATED = 1, 19, 102, 106
_UNIDENTIFIED_ARTIST = words.PLACEHOLDERS.index("Unidentified Artist")
_NON_PORTRAIT = words.PLACEHOLDERS.index("(Non-Portrait)")
_role, _link = pl.col("role"), pl.col("link")
_is_repeat = ROW % 1_053 == _REPEAT_ROW


def links(objects: int, constituents: int, dice: Dice) -> pl.LazyFrame:
    """Return the table of links: sitters first, then another, then the artist.

    One object has 160 of them, and each 1,053rd names the same sitter twice.
    """
    return (
        repeated(rows(objects), _link_count(dice))
        .with_columns(role=_role_by_position(dice))
        # The export is not in the order of its objects.
        .sort(ROW % 97, "row", "position")
        .with_row_index("link")
        .select(
            ConXrefID=12 + _link.cast(pl.Int64) * 3 + dice.roll("link", 3, _link),
            ObjectID=object_id(dice),
            ConstituentID=constituent_id(dice, _slot_by_role(constituents, dice)),
            RoleID="role",
            DisplayOrder=POSITION + 1,
            Displayed=(~dice.hits("hidden", 0.005, _link)).cast(pl.Int64),
            Prefix=_prefix(dice),
            Suffix=dice.pick("suffix", words.SUFFIXES, _link),
        )
    )


def titles(objects: int, constituents: int, dice: Dice) -> pl.LazyFrame:
    """Return the table of titles: the sitter's name or a headline, and some objects have more."""
    is_ordered_last = ROW % 16_846 == _LAST_TITLE_ROW
    number_of_titles = dice.count("titles", _TITLES_AN_OBJECT, ROW)
    sitter = _sitter(constituents, dice, pl.lit(0))
    is_name = (POSITION == 0) & (sitter != _NON_PORTRAIT)
    return repeated(
        rows(objects), pl.when(is_ordered_last).then(2).otherwise(number_of_titles)
    ).select(
        ObjectID=object_id(dice),
        Title=pl.when(is_name)
        .then(constituent_name(dice, sitter) + stray_spaces(dice))
        .otherwise(dice.pick("headline", words.HEADLINES, ROW * 4 + POSITION)),
        DisplayOrder=pl.when(is_ordered_last & (POSITION > 0))
        .then(_LAST_ORDER)
        .otherwise(POSITION + 1),
    )


def _link_count(dice: Dice) -> pl.Expr:
    return (
        pl.when(ROW == _CROWD_ROW)
        .then(_CROWD_SIZE)
        .when(_is_repeat)
        .then(3)
        .otherwise(dice.count("links", _LINKS_AN_OBJECT, ROW))
    )


def _role_by_position(dice: Dice) -> pl.Expr:
    is_last, is_next_to_last = (pl.col("count") - POSITION == place for place in (1, 2))
    is_other = is_next_to_last & (POSITION > 0) & ~_is_repeat & dice.hits("other", 0.6, ROW)
    is_associated = dice.hits("associated", 0.16, ROW)
    return (
        pl.when(is_last)
        .then(_ARTIST)
        .when(is_other & is_associated)
        .then(_ASSOCIATED)
        .when(is_other)
        .then(_RELATED)
        .otherwise(_SITTER)
    )


def _slot_by_role(constituents: int, dice: Dice) -> pl.Expr:
    nth_sitter = pl.when(_is_repeat).then(0).otherwise(POSITION)
    return (
        pl.when(_role == _SITTER)
        .then(_sitter(constituents, dice, nth_sitter))
        .when(_role == _ARTIST)
        .then(_artist(constituents, dice))
        .otherwise(kept_slot(_someone("other", constituents, dice)))
    )


def _prefix(dice: Dice) -> pl.Expr:
    texts = {role: dice.pick("prefix", words.PREFIXES[role], _link) for role in words.PREFIXES}
    return pl.coalesce(pl.when(_role == role).then(text) for role, text in texts.items())


def _sitter(constituents: int, dice: Dice, nth: pl.Expr) -> pl.Expr:
    """Return the slot of an object's nth sitter, counted from 0; those of one object differ."""
    number = (_someone("sitter", constituents, dice) + nth) % constituents
    is_non_portrait = dice.hits("non-portrait", 0.031, ROW) & (ROW != _CROWD_ROW) & (nth == 0)
    return pl.when(is_non_portrait).then(_NON_PORTRAIT).otherwise(kept_slot(number))


def _artist(constituents: int, dice: Dice) -> pl.Expr:
    is_unidentified = dice.hits("unidentified", 0.076, ROW)
    known = kept_slot(_someone("artist", constituents, dice))
    return pl.when(is_unidentified).then(_UNIDENTIFIED_ARTIST).otherwise(known)


def _someone(purpose: str, constituents: int, dice: Dice) -> pl.Expr:
    """Return a constituent's number: some are linked often, most once or twice."""
    one, other = (dice.roll(f"{purpose} {each}", constituents, ROW) for each in "ab")
    return one * other // constituents

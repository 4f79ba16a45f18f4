"""The objects and their images."""

import polars as pl

from portrait_gallery.sample import _words as words
from portrait_gallery.sample._dice import Dice, entry
from portrait_gallery.sample._rows import ROW, UNKNOWN_YEAR, filled_if, rows, stray_spaces, text_if

_year = pl.col("year")
_date = pl.col("date")


def objects(count: int, dice: Dice) -> pl.LazyFrame:
    """Return the table of objects."""
    kinds = [kind for kind, weight in words.KINDS.items() for _ in range(weight)]
    kind = dice.roll("kind", len(kinds), ROW)
    about = pl.when(_date.str.starts_with("c.")).then(5).otherwise(0)
    donor = pl.format("Sample Portrait Gallery; {}", dice.pick("donor", words.DONORS, ROW))
    return (
        rows(count)
        .with_columns(
            # More from late years than from early ones.
            year=1_720 + dice.roll("year", 260**2, ROW).sqrt().cast(pl.Int64),
            date=dice.pick("date", words.DATES, ROW),
        )
        .select(
            ObjectID=object_id(dice),
            ObjectNumber=_object_number(dice),
            Classification=entry(kind, [classification for classification, _ in kinds]),
            Medium=entry(kind, [medium for _, medium in kinds]),
            Dated=_date.str.replace("YEAR", _year.cast(pl.String), literal=True).str.replace(
                "LATER", (_year + 4).cast(pl.String), literal=True
            ),
            DateBegin=_known_year(_year - about),
            DateEnd=_known_year(_year + about),
            Dimensions=filled_if(dice.hits("size", 0.997, ROW), _size(dice) + stray_spaces(dice)),
            CreditLine=pl.when(dice.hits("gift", 0.6, ROW))
            .then(donor)
            .otherwise(pl.lit("Sample Portrait Gallery") + stray_spaces(dice)),
            Edition=filled_if(dice.hits("edition", 0.003, ROW), pl.lit("35/75")),
            Exhibitions=filled_if(
                dice.hits("exhibited", 0.118, ROW),
                dice.pick("exhibition", words.EXHIBITIONS, ROW),
            ),
        )
    )


def images(count: int, dice: Dice) -> pl.LazyFrame:
    """Return the table of images, one for most objects."""
    file = pl.format("{}B.jpg", 7_000_000 + ROW)
    is_thumbnail = dice.hits("thumbnail", 0.063, ROW)
    folder = text_if(is_thumbnail, pl.lit("192X192/"))
    columns = {
        "ObjectID": object_id(dice),
        "Accession Number": _object_number(dice),
        "Main Image Filename": file,
        "Web Image Address": pl.format("https://images.example.org/media/{}{}", folder, file),
        "Size Notes": pl.when(is_thumbnail)
        .then(pl.lit("Thumbnail only"))
        .otherwise(dice.pick("size notes", words.SIZE_NOTES, ROW)),
        "Image Credit/Caption": pl.lit("Sample Portrait Gallery"),
        "Image Rights Statement": pl.lit("https://example.org/terms-of-use"),
    }
    return rows(count).filter(dice.hits("image", 0.896, ROW)).select(**columns)


def object_id(dice: Dice) -> pl.Expr:
    """Return the id of a row's object."""
    return 4 + ROW * 7 + dice.roll("object", 7, ROW)


def _object_number(dice: Dice) -> pl.Expr:
    collection = dice.pick("collection", {"NPG": 72, "S/NPG": 25, "AD/NPG": 3}, ROW)
    cover = text_if(dice.hits("cover", 0.12, ROW), pl.lit("TC"))
    # The year and the number within it differ by themselves.
    return pl.format("{}.{}.{}{}", collection, 65 + ROW % 35, cover, ROW // 35 + 1)


def _known_year(year: pl.Expr) -> pl.Expr:
    return pl.when(_date.is_in(words.DATES_WITHOUT_YEAR)).then(UNKNOWN_YEAR).otherwise(year)


def _size(dice: Dice) -> pl.Expr:
    width, height = (50 + dice.roll(side, 900, ROW) for side in ("width", "height"))
    in_centimeters = pl.format("{}.{} x {}.{}", width // 10, width % 10, height // 10, height % 10)
    in_inches = pl.format('{} x {} 3/16"', width // 25, height // 25)
    size = pl.format("{} cm ({})", in_centimeters, in_inches)
    return pl.format("Image: {}  Sheet: {}", size, size)

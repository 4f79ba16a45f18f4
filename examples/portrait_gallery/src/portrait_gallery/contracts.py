"""What each table must hold: the contracts between the stages.

A harvested table has the source's own column names and only the types that the source can be held
to: ids and years are numbers, all else is text. From clean on, names and meaning are ours.
"""

from typing import Annotated

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData


class Harvested(pa.DataFrameModel):
    """A table as the source sends it: everything arrives as text and is cast strictly."""

    class Config:
        """A value that is no number where the contract has one stops the harvest."""

        coerce = True


class HarvestedObjects(Harvested):
    """The source's objects; a year of 0 is unknown."""

    ObjectID: int = pa.Field(unique=True)
    ObjectNumber: str = pa.Field(unique=True)
    Classification: str = pa.Field(nullable=True)
    Medium: str = pa.Field(nullable=True)
    Dated: str = pa.Field(nullable=True)
    DateBegin: int
    DateEnd: int
    Dimensions: str = pa.Field(nullable=True)
    CreditLine: str = pa.Field(nullable=True)
    Edition: str = pa.Field(nullable=True)
    Exhibitions: str = pa.Field(nullable=True)


class HarvestedTitles(Harvested):
    """The source's titles, one or more an object."""

    ObjectID: int
    Title: str
    DisplayOrder: int


class HarvestedConstituents(Harvested):
    """The source's people and institutions; a year of 0 is unknown."""

    ConstituentID: int = pa.Field(unique=True)
    ConstituentType: str = pa.Field(nullable=True)
    DisplayName: str
    NameTitle: str = pa.Field(nullable=True)
    FirstName: str = pa.Field(nullable=True)
    MiddleName: str = pa.Field(nullable=True)
    LastName: str = pa.Field(nullable=True)
    Suffix: str = pa.Field(nullable=True)
    Institution: str = pa.Field(nullable=True)
    AlphaSort: str = pa.Field(nullable=True)
    BeginDate: int
    EndDate: int
    DisplayDate: str = pa.Field(nullable=True)


class HarvestedLinks(Harvested):
    """Who has to do with which object, and in what role."""

    ConXrefID: int = pa.Field(unique=True)
    ObjectID: int
    ConstituentID: int
    RoleID: int
    DisplayOrder: int
    Displayed: int = pa.Field(isin=[0, 1])
    Prefix: str = pa.Field(nullable=True)
    Suffix: str = pa.Field(nullable=True)


class HarvestedImages(Harvested):
    """The source's images."""

    ObjectID: int
    accession_number: str = pa.Field(alias="Accession Number", nullable=True)
    main_image_filename: str = pa.Field(alias="Main Image Filename")
    web_image_address: str = pa.Field(alias="Web Image Address")
    size_notes: str = pa.Field(alias="Size Notes", nullable=True)
    image_credit: str = pa.Field(alias="Image Credit/Caption", nullable=True)
    image_rights: str = pa.Field(alias="Image Rights Statement", nullable=True)

    class Config:
        """An object's images differ by their files."""

        unique = ("ObjectID", "Main Image Filename")


class HarvestedConstituentTerms(Harvested):
    """Thesaurus terms of constituents: gender, distinctions, places."""

    ConstituentID: int
    ThesXrefType: str
    Term: str
    Path: str


class CleanedObjects(pa.DataFrameModel):
    """One row an object; years are null where they are unknown."""

    object_id: int = pa.Field(unique=True)
    object_number: str = pa.Field(unique=True)
    classification: str = pa.Field(nullable=True)
    medium: str = pa.Field(nullable=True)
    dated: str = pa.Field(nullable=True, description="As the museum words it")
    earliest_year: pl.Int32 = pa.Field(nullable=True, description="Null where it is unknown")
    latest_year: pl.Int32 = pa.Field(nullable=True, description="Null where it is unknown")
    dimensions: str = pa.Field(nullable=True)
    credit_line: str = pa.Field(nullable=True)

    @pa.dataframe_check(raise_warning=True)
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:
        """An object's latest year is not before its earliest."""
        return data.lazyframe.select(pl.col("latest_year") >= pl.col("earliest_year"))


class CleanedConstituents(pa.DataFrameModel):
    """One row a constituent."""

    constituent_id: int = pa.Field(unique=True)
    name: str
    sort_name: str = pa.Field(nullable=True)
    is_institution: bool
    is_placeholder: bool = pa.Field(description="No one's name, such as (Non-Portrait)")
    life_dates: str = pa.Field(nullable=True)
    begin_year: pl.Int32 = pa.Field(nullable=True, description="Born, founded or first active")
    end_year: pl.Int32 = pa.Field(nullable=True, description="Died, closed or last active")


class LinkedPeople(pa.DataFrameModel):
    """One row a displayed link: an object, and the constituent that has to do with it."""

    link_id: int = pa.Field(unique=True)
    object_id: int
    display_order: int
    role: str = pa.Field(isin=["sitter", "artist", "related"])
    credit: str = pa.Field(nullable=True, description="How the museum words the role")
    suffix: str = pa.Field(nullable=True, description="What the museum adds to the name")
    constituent_id: int
    name: str
    is_placeholder: bool
    life_dates: str = pa.Field(nullable=True)
    begin_year: pl.Int32 = pa.Field(nullable=True)
    end_year: pl.Int32 = pa.Field(nullable=True)
    gender: str = pa.Field(nullable=True)
    fields: list[str] = pa.Field(description="Where the constituent was distinguished")


class EnrichedObjects(CleanedObjects):
    """One row an object, with its titles and its image."""

    title: str
    other_titles: list[str]
    image_url: str = pa.Field(nullable=True)
    image_is_thumbnail: bool = pa.Field(nullable=True)
    image_credit: str = pa.Field(nullable=True)
    image_rights: str = pa.Field(nullable=True)


DATE = {"text": pl.String, "earliest_year": pl.Int32, "latest_year": pl.Int32}
IMAGE = {"url": pl.String, "is_thumbnail": pl.Boolean, "credit": pl.String, "rights": pl.String}
PERSON = pl.Struct(
    {
        "id": pl.Int64,
        "name": pl.String,
        "credit": pl.String,
        "suffix": pl.String,
        "gender": pl.String,
        "fields": pl.List(pl.String),
        "life": pl.Struct({"text": pl.String, "begin_year": pl.Int32, "end_year": pl.Int32}),
    }
)


class ObjectDocuments(pa.DataFrameModel):
    """One document an object, as the website's search takes it."""

    id: int = pa.Field(unique=True)
    number: str = pa.Field(unique=True)
    title: str
    other_titles: list[str]
    classification: str = pa.Field(nullable=True)
    medium: str = pa.Field(nullable=True)
    dimensions: str = pa.Field(nullable=True)
    credit_line: str = pa.Field(nullable=True)
    date: Annotated[pl.Struct, DATE]
    is_portrait: bool
    sitters: Annotated[pl.List, PERSON]
    artists: Annotated[pl.List, PERSON]
    related: Annotated[pl.List, PERSON]
    image: Annotated[pl.Struct, IMAGE] = pa.Field(nullable=True)


class ObjectPages(pa.DataFrameModel):
    """The address of each object's page, and of its image."""

    loc: str = pa.Field(unique=True, str_matches="^https?://[!-~]+$")
    images: list[str]

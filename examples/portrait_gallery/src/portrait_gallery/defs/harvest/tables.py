"""The source's tables, as they are.

Only these assets touch the source. What they store is the source's own columns with every cell as
it was; all later stages read that.
"""

import dagster as dg

from collectionflow import Frame
from collectionflow.harvest import TableSource
from portrait_gallery.contracts import (
    HarvestedConstituents,
    HarvestedConstituentTerms,
    HarvestedImages,
    HarvestedLinks,
    HarvestedObjects,
    HarvestedTitles,
)


@dg.asset(code_version="1")
def harvested_objects(tms: TableSource) -> Frame[HarvestedObjects]:
    """The objects of the collection, one row each, with number, dates, medium and credit line."""
    return tms.harvest("objects", HarvestedObjects)


@dg.asset(code_version="1")
def harvested_titles(tms: TableSource) -> Frame[HarvestedTitles]:
    """The titles of the objects; some objects have several, in a display order."""
    return tms.harvest("titles", HarvestedTitles)


@dg.asset(code_version="1")
def harvested_constituents(tms: TableSource) -> Frame[HarvestedConstituents]:
    """The constituents: people and institutions, and placeholders such as "(Non-Portrait)"."""
    return tms.harvest("constituents", HarvestedConstituents)


@dg.asset(code_version="1")
def harvested_links(tms: TableSource) -> Frame[HarvestedLinks]:
    """Which constituent has to do with which object, in what role, and whether that is public."""
    return tms.harvest("links", HarvestedLinks)


@dg.asset(code_version="1")
def harvested_images(tms: TableSource) -> Frame[HarvestedImages]:
    """The images of the objects, with address, credit and rights; not every object has one."""
    return tms.harvest("images", HarvestedImages)


@dg.asset(code_version="1")
def harvested_constituent_terms(tms: TableSource) -> Frame[HarvestedConstituentTerms]:
    """The constituents' thesaurus terms: gender, distinctions, places of birth and death."""
    return tms.harvest("constituent_terms", HarvestedConstituentTerms)

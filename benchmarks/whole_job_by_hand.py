"""What a careful developer would write by hand: the example's functions in one fused plan.

No storage between the stages, no checks, no versions. (The functions lie beside their assets, so
Dagster is imported, and not used.)
"""

import os
from pathlib import Path

import pandera.polars as pa
import polars as pl

from collectionflow.contract import contract_of
from portrait_gallery import contracts
from portrait_gallery.defs.clean import constituents, objects
from portrait_gallery.defs.enrich import objects as enrich_objects
from portrait_gallery.defs.enrich import people
from portrait_gallery.defs.reshape import documents

DATA = Path(os.environ["PORTRAIT_GALLERY_DATA"])
EXPORT = {
    "objects": "NPGObjects3.csv",
    "titles": "NPGObjTitles3.csv",
    "constituents": "NPGConstituents3.csv",
    "links": "NPGObjConXrefs3.csv",
    "images": "NPGWebImageURLs.csv",
    "constituent_terms": "NPGConThesTerms3.xlsx",
}


def read(table: str, schema: type[pa.DataFrameModel]) -> pl.LazyFrame:
    """Return one table with the types of its contract, as a script would read it."""
    path = file_of(table)
    frame = (
        pl.read_excel(path, infer_schema_length=0).lazy()
        if path.suffix == ".xlsx"
        else pl.scan_csv(path, infer_schema=False)
    )
    return frame.select(
        pl.col(name).cast(dtype) for name, dtype in contract_of(schema).dtypes.items()
    )


def file_of(table: str) -> Path:
    """Return the file of a table in the real export, or in the sample that the job has written."""
    if os.environ["PORTRAIT_GALLERY_SOURCE"] == "export":
        return Path(os.environ["NPG_EXPORT"], EXPORT[table])
    (found,) = DATA.glob(f"sample/*/{table}.*")
    return found


shown = people.link(
    read("links", contracts.HarvestedLinks),
    constituents.clean(read("constituents", contracts.HarvestedConstituents)),
    read("constituent_terms", contracts.HarvestedConstituentTerms),
)
enriched = enrich_objects.enrich(
    objects.clean(read("objects", contracts.HarvestedObjects)),
    read("titles", contracts.HarvestedTitles),
    read("images", contracts.HarvestedImages),
)
documents.reshape(enriched, shown).sink_ndjson(DATA / "by_hand.ndjson")
pages = pl.scan_ndjson(DATA / "by_hand.ndjson", schema={"number": pl.String})
(
    pages.select(pl.format("<url><loc>https://example.org/object/npg_{}</loc></url>", "number"))
    .collect()
    .write_csv(DATA / "by_hand.xml", include_header=False, quote_style="never")
)

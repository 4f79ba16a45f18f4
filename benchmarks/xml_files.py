"""What a harvest of XML costs beside lxml's own parsing, and whether its memory stays bounded.

Run: make bench ONLY=xml_files
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _measure import compare

LIDO = "http://www.lido-schema.org"
SKOS = "http://www.w3.org/2004/02/skos/core#"

HEAD = f'<lido:lidoWrap xmlns:lido="{LIDO}" xmlns:skos="{SKOS}">\n'
RECORD = """<lido:lido>
  <lido:lidoRecID lido:type="local">EX-{n:07}</lido:lidoRecID>
  <lido:category><skos:Concept><skos:prefLabel>Human-made object</skos:prefLabel></skos:Concept></lido:category>
  <lido:descriptiveMetadata xml:lang="en">
    <lido:objectClassificationWrap>
      <lido:objectWorkTypeWrap><lido:objectWorkType><lido:term>painting</lido:term></lido:objectWorkType></lido:objectWorkTypeWrap>
      <lido:classificationWrap><lido:classification><lido:term>Painting &amp; Sculpture</lido:term></lido:classification></lido:classificationWrap>
    </lido:objectClassificationWrap>
    <lido:objectIdentificationWrap>
      <lido:titleWrap>
        <lido:titleSet lido:type="preferred"><lido:appellationValue>Portrait {n} in a landscape</lido:appellationValue></lido:titleSet>
        <lido:titleSet lido:type="alternate"><lido:appellationValue>Bildnis {n}</lido:appellationValue></lido:titleSet>
      </lido:titleWrap>
      <lido:repositoryWrap><lido:repositorySet lido:type="current"><lido:repositoryName><lido:legalBodyName><lido:appellationValue>Example Museum</lido:appellationValue></lido:legalBodyName></lido:repositoryName><lido:workID lido:type="inventory number">1984.{n}</lido:workID></lido:repositorySet></lido:repositoryWrap>
      <lido:objectDescriptionWrap><lido:objectDescriptionSet><lido:descriptiveNoteValue>{note}</lido:descriptiveNoteValue></lido:objectDescriptionSet></lido:objectDescriptionWrap>
      <lido:objectMeasurementsWrap><lido:objectMeasurementsSet><lido:displayObjectMeasurements>{h} x 40 cm</lido:displayObjectMeasurements><lido:objectMeasurements>
        <lido:measurementSet><lido:measurementType>height</lido:measurementType><lido:measurementUnit>cm</lido:measurementUnit><lido:measurementValue>{h}</lido:measurementValue></lido:measurementSet>
        <lido:measurementSet><lido:measurementType>width</lido:measurementType><lido:measurementUnit>cm</lido:measurementUnit><lido:measurementValue>40</lido:measurementValue></lido:measurementSet>
      </lido:objectMeasurements></lido:objectMeasurementsSet></lido:objectMeasurementsWrap>
    </lido:objectIdentificationWrap>
    <lido:eventWrap><lido:eventSet><lido:event>
      <lido:eventType><lido:term>Production</lido:term></lido:eventType>
      <lido:eventActor><lido:actorInRole><lido:actor lido:type="person"><lido:actorID lido:type="local">p{h}</lido:actorID><lido:nameActorSet><lido:appellationValue>Maker {h}</lido:appellationValue></lido:nameActorSet></lido:actor><lido:roleActor><lido:term>painter</lido:term></lido:roleActor></lido:actorInRole></lido:eventActor>
      <lido:eventDate><lido:displayDate>about 16{h}</lido:displayDate><lido:date><lido:earliestDate>16{h}</lido:earliestDate><lido:latestDate>16{h}</lido:latestDate></lido:date></lido:eventDate>
    </lido:event></lido:eventSet></lido:eventWrap>
  </lido:descriptiveMetadata>
  <lido:administrativeMetadata xml:lang="en"><lido:recordWrap><lido:recordID lido:type="local">{n}</lido:recordID><lido:recordType><lido:term>item</lido:term></lido:recordType><lido:recordSource><lido:legalBodyName><lido:appellationValue>Example Museum</lido:appellationValue></lido:legalBodyName></lido:recordSource></lido:recordWrap></lido:administrativeMetadata>
</lido:lido>
"""  # noqa: E501 (a record as systems write it)
NOTE = "A half-length portrait before a wide landscape. The sitter holds a letter. " * 6


def main(sizes: Sequence[float] = (0.25, 1.0)) -> None:
    """Print ours beside lxml, for files of these sizes in GB."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder, "objects.xml")
            records = write(path, size)
            compare(
                f"{size} GB of XML, {records:,} records",
                {
                    "ours: 10 columns as frames": [sys.executable, __file__, "ours", folder],
                    "floor: lxml iterparse and clear": [sys.executable, __file__, "lxml", folder],
                    "of it: our imports alone": [sys.executable, __file__, "imports", folder],
                },
                limits="Limits: ours, less its imports, 1.5 times lxml's CPU s; 300 MiB.",
            )


def write(path: Path, size: float) -> int:
    """Write a file of so many GB and return how many records it has."""
    number = 0
    with path.open("w") as file:
        file.write(HEAD)
        while file.tell() < size * 1e9:
            lines = (
                RECORD.format(n=number + each, h=10 + each % 90, note=NOTE) for each in range(1_000)
            )
            file.writelines(lines)
            number += 1_000
        file.write("</lido:lidoWrap>\n")
    return number


def ours(folder: str) -> None:
    """Read all records as frames, ten columns of which one has nested records."""
    import pandera.polars as pa
    import polars as pl

    from collectionflow.harvest.xml import XmlSource

    maker = pl.Struct({"name": pl.String, "role": pl.String})

    class Objects(pa.DataFrameModel):
        id: str
        type: str
        title: str
        number: str
        note: str
        classification: pl.List(pl.String)  # ty: ignore[invalid-type-form]
        dimensions: str
        date: str
        language: str
        makers: pl.List(maker)  # ty: ignore[invalid-type-form]

    source = XmlSource(directory=folder, records={"objects": records()})
    frames = source.harvest("objects", Objects).collect_batches()
    assert sum(frame.height for frame in frames) % 1_000 == 0


def records() -> Any:
    """Return where the columns are in a LIDO record."""
    from collectionflow.harvest.xml import XmlRecords

    found = "lido:descriptiveMetadata/lido:objectIdentificationWrap"
    classified = "lido:descriptiveMetadata/lido:objectClassificationWrap"
    event = "lido:descriptiveMetadata/lido:eventWrap/lido:eventSet/lido:event"
    sizes = "lido:objectMeasurementsWrap/lido:objectMeasurementsSet"
    note = "lido:objectDescriptionWrap/lido:objectDescriptionSet/lido:descriptiveNoteValue"
    title = "lido:titleWrap/lido:titleSet[@lido:type='preferred']/lido:appellationValue"
    return XmlRecords(
        path="//lido:lido",
        namespaces={"lido": LIDO, "skos": SKOS},
        fields={
            "id": "lido:lidoRecID",
            "type": f"{classified}/lido:objectWorkTypeWrap/lido:objectWorkType/lido:term",
            "title": f"{found}/{title}",
            "number": f"{found}/lido:repositoryWrap/lido:repositorySet/lido:workID",
            "note": f"{found}/{note}",
            "classification": f"{classified}/lido:classificationWrap/lido:classification/lido:term",
            "dimensions": f"{found}/{sizes}/lido:displayObjectMeasurements",
            "date": f"{event}/lido:eventDate/lido:displayDate",
            "language": "lido:descriptiveMetadata/@xml:lang",
            "makers": f"{event}/lido:eventActor/lido:actorInRole",
            "makers.name": "lido:actor/lido:nameActorSet/lido:appellationValue",
            "makers.role": "lido:roleActor/lido:term",
        },
    )


def lxml(folder: str) -> None:
    """Parse all records and look at none, the usual way."""
    from lxml import etree  # ty: ignore[missing-module-member]

    events = etree.iterparse(f"{folder}/objects.xml", tag=f"{{{LIDO}}}lido")
    count = 0
    for _, record in events:
        count += 1
        record.clear(keep_tail=False)
        while record.getprevious() is not None:
            del record.getparent()[0]
    assert count % 1_000 == 0


def imports(_folder: str) -> None:
    """Load what ours loads."""
    import pandera.polars  # noqa: F401 (to load it is all)

    import collectionflow.harvest._xml_records
    import collectionflow.harvest.xml  # noqa: F401


if __name__ == "__main__":
    if len(sys.argv) > 1:
        {"ours": ours, "lxml": lxml, "imports": imports}[sys.argv[1]](sys.argv[2])
    else:
        main()

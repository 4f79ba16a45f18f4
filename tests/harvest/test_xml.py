import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # ty: ignore[missing-module-member]

from collectionflow import Frame, SourceError
from collectionflow.contract import Contract, contract_of
from collectionflow.harvest import TableSource
from collectionflow.harvest._xml import Malformed, RecordPath, parsed
from collectionflow.harvest._xml_fields import Extraction, fields_of
from collectionflow.harvest._xml_records import PIECE_BYTES, complete_records, records_of
from collectionflow.harvest._xml_values import XmlFrames
from collectionflow.harvest.xml import XmlRecords, XmlSource
from collectionflow.notes import Notes

LIDO = """<?xml version="1.0" encoding="UTF-8"?>
<lido:lidoWrap xmlns:lido="http://www.lido-schema.org" xmlns:skos="http://www.w3.org/2004/02/skos/core#">
  <lido:lido>
    <lido:lidoRecID lido:type="local">DE-1</lido:lidoRecID>
    <lido:descriptiveMetadata xml:lang="en">
      <lido:titleSet><lido:appellationValue>Portrait of a <i>Sitter</i> &amp; dog</lido:appellationValue></lido:titleSet>
      <lido:subject>dog</lido:subject><lido:subject>letter</lido:subject>
      <lido:actorInRole>
        <lido:name>Élisabeth</lido:name><lido:role>painter</lido:role><lido:role>engraver</lido:role>
        <lido:life><lido:born>1755</lido:born></lido:life>
      </lido:actorInRole>
      <lido:actorInRole><lido:name>unknown</lido:name></lido:actorInRole>
    </lido:descriptiveMetadata>
  </lido:lido>
  <lido:lido>
    <lido:lidoRecID lido:type="local">DE-2</lido:lidoRecID>
    <lido:descriptiveMetadata xml:lang="de">
      <lido:titleSet><lido:appellationValue/></lido:titleSet>
    </lido:descriptiveMetadata>
  </lido:lido>
</lido:lidoWrap>"""


class LidoObjects(pa.DataFrameModel):
    id: str
    type: str
    lang: str
    title: str = pa.Field(nullable=True)
    subjects: pl.List(pl.String)
    makers: pl.List(
        pl.Struct(
            {
                "name": pl.String,
                "roles": pl.List(pl.String),
                "life": pl.Struct({"born": pl.Int64, "died": pl.Int64}),
            }
        )
    )

    class Config:
        coerce = True


LIDO_RECORDS = XmlRecords(
    path="//lido:lido",
    namespaces={"lido": "http://www.lido-schema.org"},
    fields={
        "id": "lido:lidoRecID",
        "type": "lido:lidoRecID/@lido:type",
        "lang": "lido:descriptiveMetadata/@xml:lang",
        "title": ".//lido:titleSet/lido:appellationValue",
        "subjects": ".//lido:subject",
        "makers": ".//lido:actorInRole",
        "makers.name": "lido:name",
        "makers.roles": "lido:role",
        "makers.life": "lido:life",
        "makers.life.born": "lido:born",
        "makers.life.died": "lido:died",
    },
)


def folder_of(tmp_path: Path, **files: str | bytes) -> str:
    for name, text in files.items():
        (tmp_path / f"{name}.xml").write_bytes(text.encode() if isinstance(text, str) else text)
    return str(tmp_path)


def harvested(
    tmp_path: Path, text: str | bytes, schema: Any, records: XmlRecords, notes: Notes | None = None
) -> pl.DataFrame:
    source = XmlSource(directory=folder_of(tmp_path, objects=text), records={"objects": records})
    return source.scan("objects", contract_of(schema), notes or Notes()).collect()


class Texts(pa.DataFrameModel):
    value: str = pa.Field(nullable=True)


class Lists(pa.DataFrameModel):
    value: pl.List(pl.String)


def mapping(xpath: str, path: str = "/r/a", **namespaces: str) -> XmlRecords:
    return XmlRecords(path=path, fields={"value": xpath}, namespaces=namespaces)


def values(tmp_path: Path, text: str | bytes, xpath: str = ".", path: str = "/r/a") -> list[Any]:
    return harvested(tmp_path, text, Texts, mapping(xpath, path))["value"].to_list()


def test_lido_nests_as_the_contract_says(tmp_path: Path) -> None:
    frame = harvested(tmp_path, LIDO, LidoObjects, LIDO_RECORDS)
    assert frame.schema == contract_of(LidoObjects).dtypes
    assert frame.to_dicts() == [
        {
            "id": "DE-1",
            "type": "local",
            "lang": "en",
            "title": "Portrait of a Sitter & dog",
            "subjects": ["dog", "letter"],
            "makers": [
                {
                    "name": "Élisabeth",
                    "roles": ["painter", "engraver"],
                    "life": {"born": 1755, "died": None},
                },
                {"name": "unknown", "roles": [], "life": None},
            ],
        },
        {"id": "DE-2", "type": "local", "lang": "de", "title": "", "subjects": [], "makers": []},
    ]


def test_an_asset_stores_xml_cast_by_its_contract(tmp_path: Path, run: Callable[..., Any]) -> None:
    class Objects(pa.DataFrameModel):
        value: int = pa.Field(unique=True)

        class Config:
            coerce = True

    @dg.asset
    def objects(exports: TableSource) -> Frame[Objects]:
        return exports.harvest("objects", Objects)

    folder = folder_of(tmp_path, objects="<r><a>007</a><a> 8 </a></r>")
    source = XmlSource(directory=folder, records={"objects": mapping(".")})
    made = run(objects, resources={"exports": source})
    assert made.stored("objects").rows() == [(7,), (8,)]
    assert made.metadata("objects")["source"].startswith("objects.xml (XML; 27 bytes, ")
    assert made.metadata("objects")["records_received"] == 2


def test_marcxml_by_predicates(tmp_path: Path) -> None:
    class Books(pa.DataFrameModel):
        id: str
        title: str
        subjects: pl.List(pl.Struct({"term": pl.String, "parts": pl.List(pl.String)}))

    text = """<collection xmlns="http://www.loc.gov/MARC21/slim"><record>
      <leader>00000nam a2200000 a 4500</leader><controlfield tag="001">bk-1</controlfield>
      <datafield tag="245" ind1="1" ind2="0"><subfield code="a">Lives of the painters /</subfield><subfield code="c">Vasari.</subfield></datafield>
      <datafield tag="650" ind1=" " ind2="0"><subfield code="a">Artists</subfield><subfield code="x">Biography</subfield><subfield code="z">Italy</subfield></datafield>
      <datafield tag="650" ind1=" " ind2="0"><subfield code="a">Art, Italian</subfield></datafield>
    </record></collection>"""
    records = XmlRecords(
        path="/marc:collection/marc:record",
        namespaces={"marc": "http://www.loc.gov/MARC21/slim"},
        fields={
            "id": "marc:controlfield[@tag='001']",
            "title": "marc:datafield[@tag='245']/marc:subfield[@code='a']",
            "subjects": "marc:datafield[@tag='650']",
            "subjects.term": "marc:subfield[@code='a']",
            "subjects.parts": "marc:subfield[@code != 'a']",
        },
    )
    assert harvested(tmp_path, text, Books, records).rows() == [
        (
            "bk-1",
            "Lives of the painters /",
            [
                {"term": "Artists", "parts": ["Biography", "Italy"]},
                {"term": "Art, Italian", "parts": []},
            ],
        )
    ]


EAD = """<ead xmlns="urn:isbn:1-931666-22-9"><eadheader><eadid>GB-1</eadid></eadheader>
<archdesc><did><unittitle>Papers</unittitle></did><dsc>
  <c id="s1" level="series"><did><unittitle>Letters</unittitle></did>
    <c id="f1" level="file"><did><unittitle>To her sister</unittitle></did>
      <c id="i1" level="item"><did><unittitle>3 May</unittitle></did></c>
    </c>
    <c id="f2" level="file"><did><unittitle>To her agent</unittitle></did></c>
  </c>
  <c id="s2" level="series"><did><unittitle>Diaries</unittitle></did></c>
</dsc></archdesc></ead>"""


def test_ead_components_are_records_wherever_they_nest(tmp_path: Path) -> None:
    class Components(pa.DataFrameModel):
        id: str
        title: str
        parent: str = pa.Field(nullable=True)
        finding_aid: str

    records = XmlRecords(
        path="//e:c",
        namespaces={"e": "urn:isbn:1-931666-22-9"},
        fields={
            "id": "@id",
            "title": "e:did/e:unittitle",
            "parent": "../@id",
            "finding_aid": "/e:ead/e:eadheader/e:eadid",
        },
    )
    assert harvested(tmp_path, EAD, Components, records).rows() == [
        ("s1", "Letters", None, "GB-1"),
        ("f1", "To her sister", "s1", "GB-1"),
        ("i1", "3 May", "f1", "GB-1"),
        ("f2", "To her agent", "s1", "GB-1"),
        ("s2", "Diaries", None, "GB-1"),
    ]


def test_emu_tuples_inside_of_tuples_are_no_records(tmp_path: Path) -> None:
    class Objects(pa.DataFrameModel):
        irn: str
        title: str
        makers: pl.List(pl.Struct({"name": pl.String}))

    text = """<table name="ecatalogue">
    <!-- Row 1 -->
    <tuple><atom name="irn">1</atom><atom name="TitMainTitle">Vase</atom>
      <table name="CreCreatorRef_tab"><tuple><atom name="SummaryData">A. Potter</atom></tuple><tuple><atom name="SummaryData">B. Painter</atom></tuple></table>
    </tuple>
    <!-- Row 2 -->
    <tuple><atom name="irn">2</atom><atom name="TitMainTitle"></atom></tuple>
    </table>"""
    records = XmlRecords(
        path="/table/tuple",
        fields={
            "irn": "atom[@name='irn']",
            "title": "atom[@name='TitMainTitle']",
            "makers": "table[@name='CreCreatorRef_tab']/tuple",
            "makers.name": "atom[@name='SummaryData']",
        },
    )
    assert harvested(tmp_path, text, Objects, records).rows() == [
        ("1", "Vase", [{"name": "A. Potter"}, {"name": "B. Painter"}]),
        ("2", "", []),
    ]


def test_absent_is_null_and_empty_is_an_empty_text(tmp_path: Path) -> None:
    assert values(tmp_path, "<r><a/><a><b/></a><a><b> x </b></a></r>", "b") == [None, "", " x "]


def test_an_attribute_may_be_empty_or_absent(tmp_path: Path) -> None:
    assert values(tmp_path, "<r><a/><a b=''/><a b='x'/></r>", "@b") == [None, "", "x"]


def test_markup_comments_and_cdata_inside_a_text_do_not_divide_it(tmp_path: Path) -> None:
    text = "<r><a>one<!-- c --> <b>two<?p i?></b><![CDATA[ <three> & &amp; ]]></a></r>"
    assert values(tmp_path, text) == ["one two <three> & &amp; "]
    assert values(tmp_path, "<r><a>a<!-- c -->b</a></r>", "text()") == ["ab"]


def test_white_space_and_special_characters_stay(tmp_path: Path) -> None:
    text = "<r><a>&#13;\n\t&#160; &lt;i0/>&lt;r/&gt; &amp;amp; \"' ]]&gt; \ue000 \U0001f58c</a></r>"
    assert values(tmp_path, text) == ["\r\n\t\xa0 <i0/><r/> &amp; \"' ]]> \ue000 \U0001f58c"]
    assert values(tmp_path, "<r><a b='&#10;x&#9;'/></r>", "@b") == ["\nx\t"]


def test_expressions_make_text_too(tmp_path: Path) -> None:
    text = "<r><a><b>1</b><b>2</b></a><a/></r>"
    assert values(tmp_path, text, "count(b)") == ["2", "0"]
    assert values(tmp_path, text, "normalize-space(concat(' ', b[2]))") == ["2", ""]
    assert values(tmp_path, text, "boolean(b)") == ["true", "false"]


def test_a_second_value_names_record_field_and_values(tmp_path: Path) -> None:
    text = "<r><a><b>1</b></a><a><b>&lt;2></b><b>3</b></a></r>"
    with pytest.raises(SourceError) as error:
        values(tmp_path, text, "b")
    assert str(error.value) == (
        "Field 'value' of record 2 of 'objects.xml' has 2 values: '<2>', '3', expected one. Make "
        "it List(String) in Texts to keep all, or choose one in its XPath 'b'."
    )
    assert harvested(tmp_path, text, Lists, mapping("b")).rows() == [(["1"],), (["<2>", "3"],)]


def test_a_second_value_inside_of_nested_records_is_told_too(tmp_path: Path) -> None:
    class Nested(pa.DataFrameModel):
        makers: pl.List(pl.Struct({"name": pl.String}))

    class Single(pa.DataFrameModel):
        maker: pl.Struct({"name": pl.String})

    text = "<r><a/><a><m><n>1</n></m><m><n>2</n><n>3</n></m></a></r>"
    nested = XmlRecords(path="/r/a", fields={"makers": "m", "makers.name": "n"})
    with pytest.raises(SourceError, match=r"'makers.name' of record 2 .* has 2 values: '2', '3'"):
        harvested(tmp_path, text, Nested, nested)
    single = XmlRecords(path="/r/a", fields={"maker": "m", "maker.name": "n[1]"})
    with pytest.raises(SourceError, match=r"'maker' of record 2 .* has 2 records, expected one"):
        harvested(tmp_path, text, Single, single)


def test_values_inside_of_lists_are_cast_strictly(tmp_path: Path) -> None:
    class Sizes(pa.DataFrameModel):
        value: pl.List(pl.Int64)

        class Config:
            coerce = True

    good = harvested(tmp_path, "<r><a><b>1</b><b> 2 </b></a><a/></r>", Sizes, mapping("b"))
    assert good.rows() == [([1, 2],), ([],)]
    with pytest.raises(
        SourceError, match=r"record 3 of 'objects.xml' is '1\.5', which is no Int64"
    ):
        harvested(tmp_path, "<r><a/><a/><a><b>1</b><b>1.5</b></a></r>", Sizes, mapping("b"))


def test_a_type_that_no_text_can_become_is_refused_inside_of_lists(tmp_path: Path) -> None:
    class Times(pa.DataFrameModel):
        value: pl.List(pl.Duration("us"))

        class Config:
            coerce = True

    assert harvested(tmp_path, "<r><a/></r>", Times, mapping("b")).rows() == [([],)]
    with pytest.raises(SourceError, match=r"record 1 of 'objects.xml' is 'P1D', which is no Durat"):
        harvested(tmp_path, "<r><a><b>P1D</b></a></r>", Times, mapping("b"))


def test_records_without_any_text_are_rows() -> None:
    class Nothing(pa.DataFrameModel):
        value: pl.List(pl.String)

    contract = contract_of(Nothing)
    fields = fields_of("objects", contract, {"value": "b"}, {}, Notes())
    frames = XmlFrames(table="objects", fields=fields, contract=contract)
    frames.add(b"", 0)
    assert not frames.is_due()
    records = list(etree.fromstring("<r><a/><a><b/></a></r>"))
    frames.add(Extraction(fields, {}).text(records), 2)
    frames.add(b"", 0)
    assert frames.take().rows() == [([],), ([""],)]


def test_without_coerce_what_is_inside_stays_text(tmp_path: Path) -> None:
    class Sizes(pa.DataFrameModel):
        value: pl.List(pl.Int64)

    frame = harvested(tmp_path, "<r><a><b>1</b></a></r>", Sizes, mapping("b"))
    assert frame.schema == {"value": pl.List(pl.String)}


def test_a_path_that_finds_nothing_is_told(tmp_path: Path) -> None:
    class Objects(pa.DataFrameModel):
        title: str = pa.Field(nullable=True)
        makers: pl.List(pl.Struct({"name": pl.String}))

    notes = Notes()
    fields = {"title": "titel", "makers": "m", "makers.name": "nmae"}
    records = XmlRecords(path="/r/a", fields=fields)
    harvested(tmp_path, "<r><a><title>x</title><m/></a></r>", Objects, records, notes)
    (warning,) = notes.warnings
    assert warning == (
        "No record of 'objects', of 1, has anything for 'title' (titel), 'makers.name' (nmae). Has "
        "the source renamed it, or is the path or its namespace another one?"
    )


def test_a_path_without_records_is_told(tmp_path: Path) -> None:
    notes = Notes()
    text = "<r xmlns='http://example.org/r'><a>1</a></r>"
    assert harvested(tmp_path, text, Texts, mapping(".", "//a"), notes).is_empty()
    assert "no record at '//a'" in notes.warnings[0]
    assert "default namespace needs a prefix" in notes.warnings[0]


def test_columns_that_nobody_names_are_told(tmp_path: Path) -> None:
    class Objects(pa.DataFrameModel):
        maker: pl.Struct({"name": pl.String})

    notes = Notes()
    fields = {"maker": "m", "maker.name": "n", "maker.life": "l", "title": "t"}
    records = XmlRecords(path="/r/a", fields=fields)
    harvested(tmp_path, "<r><a><m><n>x</n></m></a></r>", Objects, records, notes)
    assert notes.warnings == [
        "The mapping of 'objects' has columns that Objects does not name: 'title'.",
        "The mapping of 'objects' has fields that Objects does not name: 'maker.life'.",
    ]


def test_a_column_whose_name_has_a_dot_is_a_column(tmp_path: Path) -> None:
    class Dotted(pa.DataFrameModel):
        title: str = pa.Field(alias="titles.main")

    records = XmlRecords(path="/r/a", fields={"titles.main": "."})
    assert harvested(tmp_path, "<r><a>x</a></r>", Dotted, records).rows() == [("x",)]


class Deep(pa.DataFrameModel):
    value: pl.List(pl.List(pl.String))


class Nested(pa.DataFrameModel):
    value: pl.Struct({"name": pl.String})


@pytest.mark.parametrize(
    ("records", "schema", "message"),
    [
        (mapping("b["), Texts, r"The XPath 'b\[' of 'value' cannot be used: Invalid"),
        (mapping("x:b"), Texts, "Undefined namespace prefix. .* which has: none."),
        (mapping("nothing(b)"), Texts, "Unregistered function"),
        (mapping("document('file:///etc/passwd')"), Texts, "Unregistered function"),
        (mapping("$b"), Texts, "Undefined variable"),
        (mapping("b", **{"a b": "urn:x"}), Texts, "prefix 'a b', which XPath cannot use"),
        (mapping("preceding-sibling::a"), Texts, "other records are not there"),
        (mapping("string(b)"), Lists, "finds no elements"),
        (mapping("b"), Nested, "has no XPath for 'value.name', which Nested names"),
        (mapping("b"), Deep, "which XML has not"),
        (mapping("b", **{"": "urn:x"}), Texts, "with the prefix '', which"),
        (mapping("b", "a"), Texts, "cannot be followed"),
        (mapping("b", "//a[1]"), Texts, "cannot be followed"),
        (mapping("b", "/x:r/y:a", x="urn:x"), Texts, "prefix 'y', which is not .* is: 'x'"),
        (XmlRecords(path="/r/a", fields={"valeu": "b"}), Texts, "Is 'value' now 'valeu'?"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path, records: XmlRecords, schema: Any, message: str
) -> None:
    folder = folder_of(tmp_path, objects="no XML at all")
    source = XmlSource(directory=folder, records={"objects": records})
    with pytest.raises(SourceError, match=message):
        source.scan("objects", contract_of(schema), Notes())


def test_several_files_are_one_table_and_errors_name_the_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, b="<r><a>2</a><a>3</a></r>", a="<r><a>1</a></r>", c="<r/>")
    source = XmlSource(
        directory=folder,
        files={"objects": "?.xml"},
        records={"objects": mapping("."), "single": mapping("text()")},
    )
    notes = Notes()
    frame = source.scan("objects", contract_of(Texts), notes)
    assert frame.collect()["value"].to_list() == ["1", "2", "3"]
    assert frame.head(2).collect()["value"].to_list() == ["1", "2"]
    assert notes.harvests[0].source.startswith("3 files, a.xml to c.xml (the first: a.xml (XML; ")
    folder_of(tmp_path, b="<r><a>2</a><a>1<?p?>2</a></r>")
    again = source.model_copy(update={"files": {"single": "?.xml"}})
    with pytest.raises(SourceError, match=r"record 2 of 'b.xml' has 2 values: '1', '2'"):
        again.scan("single", contract_of(Texts), Notes()).collect()


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, objects="<r/>")
    records = {"objects": mapping("."), "works": mapping("."), "out": mapping(".")}
    source = XmlSource(directory=folder, records=records, files={"out": "../x.xml"})
    with pytest.raises(SourceError, match=r"no table 'object'. There is: .*Is 'object' now 'objec"):
        source.scan("object", contract_of(Texts), Notes())
    with pytest.raises(SourceError, match=r"no table 'works'. There is: 'objects.xml'."):
        source.scan("works", contract_of(Texts), Notes())
    with pytest.raises(SourceError, match=r"'../x.xml' does not lie in the folder"):
        source.scan("out", contract_of(Texts), Notes())
    nowhere = XmlSource(directory=f"{folder}/none", records=records)
    with pytest.raises(SourceError, match="There is no folder"):
        nowhere.scan("objects", contract_of(Texts), Notes())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<r><a>1</a>\n<a>2", "line 2, column 5, in or after record 2: 'Premature end"),
        ("<r><a>1</a><a>\x02</a></r>", "line 1, column 15, in or after record 2: 'PCDATA invalid"),
        ("<r><a>1</a></r><r/>", "column 16.*Extra content"),
        ("<r><a>&eacute;</a></r>", "Entity 'eacute' not defined"),
        ("<r><x:a/></r>", "Namespace prefix x on a is not defined"),
        ("<?xml version='1.0'?>\n<r>&#1;</r>", "line 2, column 8: 'xmlParseCharRef"),
        ("<r><a b='1' b='2'/></r>", "Attribute b redefined"),
        ("", "line 1, column 1: 'Document is empty"),
        ("text", "line 1, column 1: 'Start tag expected"),
        ("<?xml version='1.0'", "line 1, column"),
        (b"<r><a>\xe9</a></r>", "Invalid bytes in character encoding"),
        (b"<?xml version='1.0' encoding='foo'?><r/>", "Unsupported encoding: foo"),
        ("<r>" + "<a>" * 300, "Excessive depth"),
    ],
)
def test_a_malformed_file_says_where(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"'objects.xml' is no well-formed XML at .*{message}"):
        values(tmp_path, text)


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'<!DOCTYPE r [<!ENTITY a0 "ha">{BOMB}]><r><a>&a11;</a></r>', "amplification|declares"),
        (f'<!DOCTYPE r [<!ENTITY a0 "ha">{BOMB}]><r><a b="&a11;"/></r>', "amplification|declares"),
        ('<!DOCTYPE r [<!ENTITY m "x">]><r><a>&m;</a></r>', "declares entities or attributes"),
        ('<!DOCTYPE r [<!ENTITY m SYSTEM "file:///etc/passwd">]><r><a>&m;</a></r>', "declares"),
        ('<!DOCTYPE r [<!ENTITY % m SYSTEM "file:///etc/passwd"> %m;]><r/>', "declares"),
        ('<!DOCTYPE r [<!ATTLIST a b CDATA "x">]><r><a/></r>', "declares"),
        ('<!DOCTYPE r SYSTEM "none.dtd"><r><a>&m;</a></r>', "Entity 'm' not defined"),
        ('<!DOCTYPE r SYSTEM "none.dtd"><r><a b="&m;"/></r>', "Entity 'm' not defined"),
    ],
)
def test_entities_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        values(tmp_path, text)
    assert "root:" not in str(error.value)


def test_what_the_parser_merely_warns_of_is_no_fault(tmp_path: Path) -> None:
    assert values(tmp_path, "<r><a>1</a><b xmlns='relative'/></r>") == ["1"]


def test_a_document_type_that_lies_elsewhere_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "ead.dtd").write_text('<!ENTITY m "x"><!ATTLIST a b CDATA "default">')
    text = f'<!DOCTYPE r PUBLIC "+//ISBN 1-931666-00-8//DTD ead.dtd//EN" "{tmp_path}/ead.dtd">'
    assert values(tmp_path, text + "<r><a/></r>", "@b") == [None]


@pytest.mark.parametrize(
    "text",
    [
        "<r><a>é</a></r>".encode(),
        "\ufeff<?xml version='1.0'?><r><a>é</a></r>".encode(),
        "<?xml version='1.0' encoding='utf-16'?><r><a>é</a></r>".encode("utf-16"),
        "<?xml version='1.0' encoding='utf-16'?><r><a>é</a></r>".encode("utf-16-be"),
        "<r><a>é</a></r>".encode("utf-16"),
        "<?xml version='1.0' encoding='iso-8859-1'?>\n<r><a>é</a></r>".encode("latin-1"),
        "<?xml version='1.0' encoding='windows-1252'?><?x y?><r><a>é</a></r>".encode("cp1252"),
    ],
)
def test_an_encoding_is_what_the_file_says(tmp_path: Path, text: bytes) -> None:
    assert values(tmp_path, text) == ["é"]


def frames_of(
    chunks: Iterator[bytes], schema: Any, records: XmlRecords, notes: Notes | None = None
) -> list[pl.DataFrame]:
    contract: Contract = contract_of(schema)
    namespaces: Mapping[str, str] = records.namespaces
    fields = fields_of("objects", contract, records.fields, namespaces, notes or Notes())
    frames = XmlFrames(table="objects", fields=fields, contract=contract)
    path = RecordPath(records.path, namespaces)
    return list(records_of([("'it'", chunks)], path, frames, namespaces))


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 2, 7, 100, 5_000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_records_are_the_same_wherever_the_pieces_end(size: int, encoding: str) -> None:
    text = LIDO.replace("UTF-8", encoding).encode(encoding)
    (frame,) = frames_of(pieces(text, size), LidoObjects, LIDO_RECORDS)
    assert frame["id"].to_list() == ["DE-1", "DE-2"]
    assert frame["title"].to_list() == ["Portrait of a Sitter & dog", ""]
    ead = XmlRecords(
        path="//e:c",
        namespaces={"e": "urn:isbn:1-931666-22-9"},
        fields={"value": "concat(/e:ead/e:eadheader/e:eadid, '-', ../@id, '-', @id)"},
    )
    (frame,) = frames_of(pieces(EAD.encode(), size), Texts, ead)
    expected = ["GB-1--s1", "GB-1-s1-f1", "GB-1-f1-i1", "GB-1-s1-f2", "GB-1--s2"]
    assert frame["value"].to_list() == expected


def test_a_root_may_be_the_record() -> None:
    for size in (1, 100):
        (frame,) = frames_of(pieces(b"<a><b>1</b></a>", size), Texts, mapping("b", "/*"))
        assert frame.rows() == [("1",)]


def test_what_was_read_is_dropped_and_what_is_no_record_too() -> None:
    text = b"<r><x>" + b"<y/>" * 1_000 + b"</x><z/>" + b"<w><a><b/></a></w>" * 1_000 + b"<a/></r>"
    for keeps_outside, beside in ((False, set()), (True, {"x", "y", "z"})):
        seen = 0
        chunks = pieces(text, 100)
        path = RecordPath("//a", {})
        for records in complete_records(chunks, path, "'it'", keeps_outside=keeps_outside):
            root = records[0].getroottree().getroot()
            tags = [each.tag for each in root.iter()]
            assert seen == 0 or tags.count("w") < 20
            seen += len(records)
        assert seen == 1_001
        assert set(tags) - {"r", "w", "a", "b"} == beside


@pytest.mark.parametrize("size", [1, 10, 10_000])
def test_a_path_may_look_at_what_stands_beside_the_ancestors(size: int) -> None:
    wrapped = "".join(f"<w><id>{n}</id><id>x</id><a/><a/></w><w/>" for n in range(50))
    text = f"<r><h>head</h>{wrapped}</r>".encode()
    look = mapping("concat(/r/h, '-', ../id[1], '-', ../id[2])", "//a")
    (frame,) = frames_of(pieces(text, size), Texts, look)
    assert frame["value"].to_list() == [f"head-{n}-x" for n in range(50) for _ in range(2)]


def test_a_small_document_is_parsed_whole() -> None:
    assert parsed(b"<a><b/></a>", "the page").tag == "a"
    with pytest.raises(Malformed, match="the page is no well-formed XML at line 1, column 4"):
        parsed(b"<a>", "the page")


def test_many_records_come_in_several_frames() -> None:
    record = b"<a>" + b"x" * 1_000 + b"</a>"
    text = b"<r>" + record * 10_000 + b"</r>"
    frames = frames_of(pieces(text, PIECE_BYTES), Texts, mapping("."))
    assert len(frames) > 1
    assert pl.concat(frames)["value"].str.len_bytes().sum() == 10_000_000


def test_one_huge_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    script = """
import resource, sys
import pandera.polars as pa
from collectionflow.harvest.xml import XmlRecords, XmlSource

class Objects(pa.DataFrameModel):
    id: str
    text: str

fields = {"id": "@id", "text": "b"}
source = XmlSource(directory=sys.argv[1], records={"big": XmlRecords(path="//a", fields=fields)})
frame = source.harvest("big", Objects)
frame.head(1).collect()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert sum(each.height for each in frame.collect_batches()) == 40_000
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    with (tmp_path / "big.xml").open("w") as file:
        file.write("<r>")
        for number in range(40_000):
            file.write(f'<other><x>{number}</x></other><a id="{number}"><b>{"text " * 500}</b></a>')
        file.write("</r>")
    command = [sys.executable, "-c", script, str(tmp_path)]
    more = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(more) < 140, f"A file of 100 MB took {more} MiB more."


NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.text(alphabet="ab<&>\"'\t\n\r é\ue000\U0001f58c", max_size=8)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> etree._Element:
    element = etree.Element(draw(NAMES))
    element.text = draw(TEXTS)
    if draw(st.booleans()):
        element.set("k", draw(TEXTS))
    for _ in range(draw(st.integers(0, 3)) if depth else 0):
        child = draw(elements(depth - 1))
        child.tail = draw(TEXTS)
        element.append(child)
    return element


class Everything(pa.DataFrameModel):
    whole: str
    key: str = pa.Field(nullable=True)
    inner: pl.List(pl.String)
    nested: pl.List(pl.Struct({"text": pl.String, "keys": pl.List(pl.String)}))


EVERYTHING = XmlRecords(
    path="//a",
    fields={
        "whole": ".",
        "key": "@k",
        "inner": ".//b",
        "nested": "c",
        "nested.text": ".",
        "nested.keys": "*/@k",
    },
)


def expected_of(root: etree._Element) -> list[dict[str, Any]]:
    return [
        {
            "whole": each.xpath("string()"),
            "key": each.get("k"),
            "inner": [one.xpath("string()") for one in each.iterfind(".//b")],
            "nested": [
                {"text": one.xpath("string()"), "keys": list(map(str, one.xpath("*/@k")))}
                for one in each.iterfind("c")
            ],
        }
        for each in root.iter("a")
    ]


@settings(max_examples=300, deadline=None)
@given(elements(), st.integers(1, 200))
def test_every_value_of_any_document_is_kept(root: etree._Element, size: int) -> None:
    wrapped = etree.Element("r")
    wrapped.append(root)
    text = etree.tostring(wrapped, encoding="utf-8", xml_declaration=True)
    frames = frames_of(pieces(text, size), Everything, EVERYTHING)
    found = [row for frame in frames for row in frame.to_dicts()]
    assert found == expected_of(etree.fromstring(text))


SAMPLES = [
    text.encode() for text in (LIDO, EAD, "<r><a k='1'>x<b>y</b><c><b k='&lt;'/></c></a></r>")
]


@settings(max_examples=1_700, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.floats(0, 1, exclude_max=True),
    st.one_of(
        st.just(None), st.binary(max_size=3), st.sampled_from([b"<", b">", b"&", b"</a>", b"<a>"])
    ),
    st.integers(0, 8),
    st.integers(1, 2_000),
)
def test_a_damaged_document_is_refused_or_kept_whole(
    text: bytes, place: float, inserted: bytes | None, removed: int, size: int
) -> None:
    start = int(place * len(text))
    end = b"" if inserted is None else inserted + text[start + removed :]
    damaged = text[:start] + end
    parser = etree.XMLParser(resolve_entities=False, remove_comments=True, no_network=True)
    try:
        root = etree.fromstring(damaged, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    lists = XmlRecords(path="//*", fields={"value": ".//text() | .//@*"})
    with closing(pieces(damaged, size)) as chunks:
        if root is None:
            with pytest.raises(SourceError):
                frames_of(chunks, Lists, lists)
            return
        found = pl.concat(frames_of(chunks, Lists, lists))["value"].to_list()
    assert found == [list(map(str, each.xpath(".//text() | .//@*"))) for each in root.iter("*")]

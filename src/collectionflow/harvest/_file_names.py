"""Which files a table is: by its name, by the name that the configuration gives, or a pattern."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from collectionflow.errors import SourceError
from collectionflow.harvest._source import missing_table
from collectionflow.markdown import quoted

# Which module of this folder reads a file, by the end of its name.
FORMATS: Final = {
    ".csv": "_csv",
    ".tsv": "_csv",
    ".txt": "_csv",
    ".json": "_json_file",
    ".ndjson": "_json_file",
    ".jsonl": "_json_file",
    ".parquet": "_parquet",
    ".xlsx": "_excel",
    ".xlsm": "_excel",
    ".xlsb": "_excel",
    ".xls": "_excel",
    ".ods": "_excel",
}
_ZIP: Final = ".zip"
_GZIP: Final = ".gz"


@dataclass(frozen=True)
class Address:
    """A file, the member of a zip archive if it is one, and the sheet if one is named.

    Examples:
        >>> from collectionflow.harvest._file_names import Address
        >>> Address.of("export.zip!book.xlsx#Terms")
        Address(file='export.zip', member='book.xlsx', sheet='Terms')
    """

    file: str
    member: str | None = None
    sheet: str | None = None

    @classmethod
    def of(cls, text: str) -> "Address":
        """Return the address that a configuration writes as `archive.zip!book.xlsx#Sheet`."""
        name, _, sheet = text.partition("#")
        archive, mark, member = name.partition("!")
        if mark and archive.lower().endswith(_ZIP):
            return cls(archive, member or None, sheet or None)
        return cls(name, None, sheet or None)


def is_zip(name: str) -> bool:
    """Return whether a file is a zip archive, by its name."""
    return name.lower().endswith(_ZIP)


def is_gzip(name: str) -> bool:
    """Return whether a file is packed with gzip, by its name."""
    return name.lower().endswith(_GZIP)


def suffix_of(name: str) -> str:
    """Return the end of a name that says its format, in lower case.

    Examples:
        >>> from collectionflow.harvest._file_names import suffix_of
        >>> suffix_of("Objects.CSV.gz")
        '.csv'
    """
    return PurePosixPath(_unpacked(name)).suffix.lower()


def check_name(name: str, where: str) -> None:
    """Refuse a name that leads out of the folder.

    Raises:
        SourceError: where it does.
    """
    if "/" in name or "\\" in name or name.startswith("."):
        message = f"'{name}' is not the name of a file in '{where}'."
        raise SourceError(message)


def check_format(name: str, where: str, formats: Collection[str] = FORMATS) -> None:
    """Refuse a file of a kind that is not read here, which is the end of its name.

    Raises:
        SourceError: with the kinds that are.
    """
    if not _is_known(name, formats):
        message = (
            f"'{name}' in '{where}' is of a kind that is not read here. A file's name ends in "
            f"{', '.join(formats)} or {_ZIP}; each may be packed: {next(iter(formats))}.gz."
        )
        raise SourceError(message)


def find_files(
    table: str,
    name: str,
    present: Sequence[str],
    where: str,
    formats: Collection[str] = FORMATS,
) -> list[str]:
    """Return the files that a table is, in the order of their names.

    Raises:
        SourceError: where there is none, or more than one fits a name that is no pattern.
    """
    known = [each for each in present if _is_known(each, formats)]
    found = [each for each in known if name in {each, _stem(each)}]
    if len(found) > 1:
        names = " and ".join(sorted(found))
        message = f"'{where}' has {names} for table '{table}'. Say which one in `files`."
        raise SourceError(message)
    found = found or sorted(each for each in known if fnmatchcase(each, name))
    if not found:
        raise missing_table(name, known, f"'{where}'")
    return found


def find_members(
    name: str | None, present: Sequence[str], where: str, formats: Collection[str] = FORMATS
) -> list[str]:
    """Return the members of a zip archive that a table is: those named, or the only one there is.

    Raises:
        SourceError: where there is none, or it is not known which.
    """
    known = [each for each in present if suffix_of(each) in formats and _is_own(each)]
    if name is None:
        if len(known) == 1:
            return known
        there = quoted(known) or "no file that is read here"
        example = f"'archive.zip!name{next(iter(formats))}'"
        message = f"{where} has {there}. Say which one in `files`: {example}."
        raise SourceError(message)
    found = [each for each in known if each == name]
    found = found or [each for each in known if PurePosixPath(each).name == name]
    found = found or sorted(each for each in known if fnmatchcase(each, name))
    if not found:
        raise missing_table(name, known, where)
    return found


def _is_known(name: str, formats: Collection[str]) -> bool:
    return suffix_of(name) in formats or is_zip(name)


def _is_own(member: str) -> bool:
    """Return whether a member is none of those that macOS puts into an archive by itself."""
    path = PurePosixPath(member)
    return "__MACOSX" not in path.parts and not path.name.startswith(".")


def _stem(name: str) -> str:
    return PurePosixPath(_unpacked(name)).stem


def _unpacked(name: str) -> str:
    return name[: -len(_GZIP)] if is_gzip(name) else name

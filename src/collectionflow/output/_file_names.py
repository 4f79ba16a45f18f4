"""File names from ids: one rule that gives each id a name of its own on every system."""

from typing import Final

import polars as pl

from collectionflow.output._percent import escaped

MOST_CHARACTERS: Final = 200
_SAFE: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_IS_PLAIN: Final = r"^[A-Za-z0-9\-_.]*$"
# A hidden file, what Windows takes for a device, and the name of a folder's own index.
_TAKEN: Final = r"(?i)^(?:\.|(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|index)(?:\.|$))"


def file_name(identifier: pl.Expr) -> pl.Expr:
    """Return the stem of the file of each id: the id itself, other characters escaped as `~20`.

    Letters and digits of ASCII stay, and so do `-`, `_` and `.`. Of any other character each byte
    in UTF-8 becomes `~` and two hexadecimal digits. So does the first character of a name that
    begins with a dot, or that a system keeps for itself. Names are ASCII, need no escaping in a
    URL, and never lead out of their folder. Different ids get different names.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._file_names import file_name
        >>> ids = pl.DataFrame({"id": ["NPG.65.2", "1985/12 a", "Ä", "..", "con", "a~b"]})
        >>> ids.select(file_name(pl.col("id"))).to_series().to_list()
        ['NPG.65.2', '1985~2F12~20a', '~C3~84', '~2E.', '~63on', 'a~7Eb']
    """
    is_taken = identifier.str.contains(_TAKEN)
    is_odd = is_taken | ~identifier.str.contains(_IS_PLAIN)
    # Null wherever the id is its own name, which costs next to nothing.
    odd = pl.when(is_odd).then(identifier)
    first = pl.when(is_taken).then(odd.str.head(1))
    name = pl.when(is_taken).then(escaped(first, "~", "") + escaped(odd.str.slice(1), "~", _SAFE))
    return pl.coalesce(name, escaped(odd, "~", _SAFE), identifier)

"""Key buckets: a stage that is too large for the memory runs on a range of keys after another."""

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import pairwise
from typing import Any, ParamSpec

import polars as pl

P = ParamSpec("P")

_SAMPLE_KEYS = 100_000
_BUCKETS = "_collectionflow_buckets"


def in_buckets(
    *, key: str, rows: int
) -> Callable[[Callable[P, pl.LazyFrame]], Callable[P, pl.LazyFrame]]:
    """Have a function of lazy frames run in buckets of about `rows` rows, with the same result.

    A bucket is a range of `key`. Frames that have the column are filtered to it, others come whole
    each time. The frame with most rows decides: up to `rows` of them, nothing differs from a plain
    call. The result is that of the buckets one after the other, so a function that sorts by `key`
    first gives its rows in the same order, and one that looks at an object's own rows only gives
    the same rows. Storage computes a bucket at a time.

    Examples:
        >>> import polars as pl
        >>> from collectionflow import in_buckets
        >>> @in_buckets(key="object_id", rows=2)
        ... def counted(links: pl.LazyFrame) -> pl.LazyFrame:
        ...     return links.group_by("object_id").len().sort("object_id")
        >>> counted(pl.LazyFrame({"object_id": [3, 1, 2, 3, 1]})).collect().rows()
        [(1, 2), (2, 1), (3, 2)]
    """

    def decorate(function: Callable[P, pl.LazyFrame]) -> Callable[P, pl.LazyFrame]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> pl.LazyFrame:
            given = (*args, *kwargs.values())
            keyed = [each for each in given if isinstance(each, pl.LazyFrame) and _has(each, key)]
            ranges = list(_ranges(keyed, key, rows))
            if len(ranges) < 2:  # noqa: PLR2004
                return function(*args, **kwargs)
            return _one_after_the_other(
                [
                    function(
                        *(_within(each, key, keys) for each in args),
                        **{name: _within(each, key, keys) for name, each in kwargs.items()},
                    )
                    for keys in ranges
                ]
            )

        return run

    return decorate


def buckets_of(frame: pl.LazyFrame) -> list[pl.LazyFrame]:
    """Return the buckets that a frame is made of, none where it is computed at once."""
    return vars(frame).get(_BUCKETS, [])


def in_each_bucket(
    frame: pl.LazyFrame, change: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> pl.LazyFrame:
    """Return a changed frame that is still made of the buckets of `frame`, if it has any."""
    buckets = buckets_of(frame)
    return _one_after_the_other([change(each) for each in buckets]) if buckets else change(frame)


def _one_after_the_other(buckets: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Return the buckets as one frame, which anyone may use; storage finds the buckets in it."""
    whole = pl.concat(buckets)
    vars(whole)[_BUCKETS] = buckets
    return whole


def _has(value: object, key: str) -> bool:
    return isinstance(value, pl.LazyFrame) and key in value.collect_schema()


def _within(value: Any, key: str, keys: pl.Expr) -> Any:
    return value.filter(keys) if _has(value, key) else value


def _ranges(frames: list[pl.LazyFrame], key: str, rows: int) -> Iterator[pl.Expr]:
    """Yield the ranges of keys, smallest first, as filters; the first one takes the nulls too."""
    heights = pl.collect_all([frame.select(pl.len()) for frame in frames])
    counts = [each.item() for each in heights]
    most = max(counts, default=0)
    if most <= rows:
        return
    bounds = _bounds(frames[counts.index(most)], key, most, -(-most // rows))
    if not bounds:
        return
    value = pl.col(key)
    yield value.is_null() | (value < bounds[0])
    for lower, upper in pairwise(bounds):
        yield (value >= lower) & (value < upper)
    yield value >= bounds[-1]


def _bounds(frame: pl.LazyFrame, key: str, rows: int, count: int) -> list[Any]:
    """Return the keys at which a new bucket begins, by every n-th key of the largest frame."""
    sample = (
        frame.select(key).gather_every(max(rows // _SAMPLE_KEYS, 1)).drop_nulls().collect()[key]
    )
    ordered = sample.sort()
    if ordered.is_empty():
        return []
    places = [len(ordered) * number // count for number in range(1, count)]
    return ordered.gather(places).unique(maintain_order=True).to_list()

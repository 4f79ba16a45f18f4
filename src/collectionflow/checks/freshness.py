"""How old the source's news are."""

from datetime import UTC, datetime, timedelta
from typing import Unpack

import polars as pl

from collectionflow.casts import moment
from collectionflow.checks._check import AssetName, Check, Finding, Options, make_check
from collectionflow.checks._look import Look
from collectionflow.errors import StopRun


def fresh(
    asset: AssetName,
    *,
    within: timedelta,
    column: str | None = None,
    **options: Unpack[Options],
) -> Check:
    """Check that the source has news: the newest value of a column is not older than `within`.

    Without a column, the last published harvest must have begun so lately. A column is a date, a
    time, or such text in ISO 8601; what has no time zone is in UTC. Values that lie in the future
    are no news.

    Examples:
        >>> from datetime import timedelta
        >>> from collectionflow.checks import fresh
        >>> fresh("harvested_objects", within=timedelta(days=2), column="ModifiedOn").name
        'ModifiedOn_is_fresh'
    """
    what = f"The newest '{column}'" if column else "The last published harvest"

    def judge(look: Look) -> Finding:
        now = datetime.now(UTC)
        newest = _newest(look, column, now) if column else _last_harvest(look)
        if newest is None:
            return Finding(passed=False, sentence=f"{what} is not there.")
        age = now - newest
        return Finding(
            passed=age <= within,
            sentence=f"{what} is of {newest:%Y-%m-%d %H:%M} UTC, {_words(age)} ago.",
            counts={"hours": round(age / timedelta(hours=1), 2)},
        )

    return make_check(
        asset,
        judge,
        options,
        name=f"{column} is fresh" if column else "harvest_is_fresh",
        description=f"{what} is not older than {_words(within)}.",
    )


def _newest(look: Look, column: str, now: datetime) -> datetime | None:
    dtype = look.frame.collect_schema()[column]
    times = look.frame.select(moment(column, dtype).alias("moment"))
    past = times.filter(pl.col("moment") <= now)
    return past.select(pl.col("moment").max()).collect().item()


def _last_harvest(look: Look) -> datetime | None:
    if look.ledger is None:
        message = f"'{look.name}' has no ledger of harvests. Name a column to look at."
        raise StopRun(message)
    published = look.ledger.filter(pl.col("outcome") == "published")
    return published.select(pl.col("started_at").max()).item()


def _words(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:,.1f} hours" if hours < 48 else f"{hours / 24:,.1f} days"  # noqa: PLR2004

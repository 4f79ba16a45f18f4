"""What runs together, and when."""

import dagster as dg

from collectionflow import pipeline_job

collection = pipeline_job(
    "collection",
    description="Harvests the gallery's tables and publishes the website's documents from them.",
    groups=["harvest", "clean", "enrich", "reshape", "output"],
)
documents = pipeline_job(
    "documents",
    description="Publishes the documents anew from what was harvested last, without the source.",
    groups=["clean", "enrich", "reshape", "output"],
)
nightly = dg.ScheduleDefinition(
    name="nightly",
    job=collection,
    cron_schedule="30 2 * * *",
    execution_timezone="America/New_York",
)

"""A made-up portrait gallery of any size, with the proportions and the dirt of a real export."""

from portrait_gallery.sample.api import api
from portrait_gallery.sample.database import write_database
from portrait_gallery.sample.files import write_sample
from portrait_gallery.sample.source import SampleSource

__all__ = ["SampleSource", "api", "write_database", "write_sample"]

import dagster as dg
import pytest

from collectionflow import CollectionflowError, ProjectError, Refused, SourceError, StopRun


@pytest.mark.parametrize("error", [StopRun, SourceError, Refused])
def test_what_stops_a_run_is_a_dagster_failure_that_is_not_retried(error: type[StopRun]) -> None:
    raised = error("Table 'objects' is missing.", metadata={"found": "nothing"})
    assert isinstance(raised, dg.Failure)
    assert isinstance(raised, CollectionflowError)
    assert raised.allow_retries is False
    assert raised.description == str(raised) == "Table 'objects' is missing."
    assert raised.metadata == {"found": dg.MetadataValue.text("nothing")}


def test_an_error_of_the_command_line_is_no_failure_of_a_run() -> None:
    assert issubclass(ProjectError, CollectionflowError)
    assert not issubclass(ProjectError, dg.Failure)

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    evaluate_automation_conditions,
)

from assets.catalogue import STAGES
from assets.checks import ALL_CHECKS
from assets.sources import SOURCES
from orchestration.definitions import defs

# Dagster's own helper uses a part of Dagster that is in beta.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Parameter `include_sources`"),
]

FLOWING = {
    "intake_register",
    "silhouette_sequences",
    "extraction_score",
    "silhouette_shards",
    "dual_view_clips",
    "participant_splits",
}


class Flow:
    """An instance in which nothing runs: what is requested is said to have been built."""

    def __init__(self, instance):
        self.instance, self.cursor, self.requested = instance, None, []

    def tick(self):
        """Evaluate once; return what is requested now, as `asset` or `asset/partition`."""
        result = evaluate_automation_conditions(defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        found = set()
        for stage in STAGES:
            for key in result.get_requested_partitions(AssetKey(stage.name)):
                found.add(f"{stage.name}/{key}" if key else stage.name)
        return found

    def settle(self, **failing):
        """Tick and build until nothing is requested; return all that was, in rounds."""
        rounds = []
        while found := self.tick():
            rounds.append(found)
            assert len(rounds) < 9, rounds
            for name in sorted(
                found, key=lambda one: [s.name for s in STAGES].index(one.split("/")[0])
            ):
                self.build(*name.split("/"), **failing)
        return rounds

    def build(self, asset, partition=None, **failing):
        self.instance.report_runless_asset_event(AssetMaterialization(asset, partition=partition))
        for check in ALL_CHECKS:
            for spec in check.check_specs:
                if spec.asset_key == AssetKey(asset) and spec.blocking:
                    self.instance.report_runless_asset_event(
                        AssetCheckEvaluation(
                            asset_key=spec.asset_key,
                            check_name=spec.name,
                            passed=spec.name not in failing,
                            metadata={},
                            blocking=True,
                        )
                    )

    def arrive(self, batch):
        self.instance.add_dynamic_partitions("intake_batch", [batch])
        self.change("raw_cohort", batch)
        self.change("overrides", batch)

    def change(self, source, partition=None):
        self.instance.report_runless_asset_event(AssetMaterialization(source, partition=partition))


@pytest.fixture
def flow():
    with DagsterInstance.ephemeral() as instance:
        made = Flow(instance)
        assert made.tick() == set()
        for source in SOURCES:
            if source.partitioning.definition is None:
                made.change(source.name)
        yield made


def names(rounds):
    return {name for found in rounds for name in found}


def test_a_new_batch_flows_to_the_splits_and_no_further(flow):
    flow.arrive("one")
    requested = names(flow.settle())
    assert {name.split("/")[0] for name in requested} == FLOWING
    assert "intake_register/one" in requested
    # The second one leaves the first alone and makes a new dataset version.
    flow.arrive("two")
    assert names(flow.settle()) == {
        "intake_register/two",
        "silhouette_sequences/two",
        "extraction_score",
        "silhouette_shards",
        "dual_view_clips",
        "participant_splits",
    }
    assert flow.tick() == set()


def test_a_batch_that_is_only_registered_waits_until_it_is_reported(flow):
    flow.instance.add_dynamic_partitions("intake_batch", ["one"])
    assert flow.settle() == []
    flow.change("raw_cohort", "one")
    flow.change("overrides", "one")
    assert "intake_register/one" in names(flow.settle())


def test_a_failed_check_that_guards_stops_the_flow_there(flow):
    flow.arrive("one")
    flow.settle()
    flow.change("raw_cohort", "one")
    requested = names(flow.settle(shards_hold_what_the_manifest_says=True))
    assert "silhouette_shards" in requested
    flow.change("partitions")
    assert "participant_splits" not in names(flow.settle())


def test_a_decision_on_a_recording_flows_from_extraction_on(flow):
    flow.arrive("one")
    flow.settle()
    flow.change("overrides", "one")
    assert names(flow.settle()) == {
        "silhouette_sequences/one",
        "extraction_score",
        "silhouette_shards",
        "dual_view_clips",
        "participant_splits",
    }


def test_a_changed_video_reaches_the_clips_through_what_was_made_of_it(flow):
    flow.arrive("one")
    flow.settle()
    flow.change("raw_cohort", "one")
    rounds = flow.settle()
    (of_clips,) = [number for number, found in enumerate(rounds) if "dual_view_clips" in found]
    assert "silhouette_shards" in set().union(*rounds[: of_clips + 1])
    assert "intake_register/one" in rounds[0]
    assert "dual_view_clips" not in rounds[0]


def test_what_waits_for_a_person_says_so_and_the_sensor_that_flows_is_on():
    from dagster import DefaultSensorStatus

    graph = defs.resolve_asset_graph()
    for stage in STAGES:
        node = graph.get(AssetKey(stage.name))
        is_flowing = stage.name in FLOWING
        assert (node.automation_condition is not None) == is_flowing
        built = node.tags["gaitworks/built"]
        assert built == ("automatically" if is_flowing else "by_a_person")
    (sensor,) = [one for one in defs.sensors if one.name == "batches_flow_to_the_dataset"]
    assert sensor.default_status is DefaultSensorStatus.RUNNING
    selected = sensor.asset_selection.resolve(graph)
    assert {key.to_user_string() for key in selected} == FLOWING

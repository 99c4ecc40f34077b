"""The examples of `docs/deployment/` against the Dagster libraries that are installed here."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInvalidConfigError, Definitions, validate_run_config
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.workspace.config_schema import process_workspace_config
from dagster._grpc.utils import get_loadable_targets
from dagster._serdes import ConfigurableClassData

from tests.integration.object_storage import BUCKET, CREDENTIALS, serve_s3
from tests.integration.workspaces import BIN, environment
from transforms.manifest import directory_version

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "docs" / "deployment"
VARIABLES = {
    "DAGSTER_PG_HOST": "database",
    "DAGSTER_PG_USERNAME": "dagster",
    "DAGSTER_PG_PASSWORD": "secret",
    "DAGSTER_PG_DB": "dagster",
    "GAITWORKS_IMAGE": "registry.example.org/gaitworks:2026.11.0",
    "GAITWORKS_LOG_BUCKET": BUCKET,
    "GAITWORKS_CELERY_BROKER": "redis://queue:6379/0",
    "GAITWORKS_CELERY_BACKEND": "redis://queue:6379/1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}


@pytest.fixture(autouse=True)
def deployed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (VARIABLES | CREDENTIALS).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GAITWORKS_WORKSPACE", str(tmp_path))


def install(name: str, home: Path, **changes: Any) -> InstanceRef:
    """Make an example the `dagster.yaml` of a folder and read it as Dagster does."""
    config = yaml.safe_load((EXAMPLES / name).read_text())
    for path, value in changes.items():
        section = config
        *parents, last = path.split("__")
        for parent in parents:
            section = section[parent]
        section[last] = value
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    dagster_instance_config(str(home))
    return InstanceRef.from_dir(str(home))


def check_config(data: ConfigurableClassData) -> Mapping[str, Any]:
    """Return a class's configuration as its own schema resolves it, environment included."""
    import importlib

    kind = getattr(importlib.import_module(data.module_name), data.class_name)
    config_type = resolve_to_config_type(kind.config_type())
    outcome = process_config(config_type, yaml.safe_load(data.config_yaml))
    assert outcome.success, outcome.errors
    assert isinstance(outcome.value, Mapping)
    return outcome.value


@pytest.mark.parametrize("name", ["dagster-kubernetes.yaml", "dagster-celery.yaml"])
def test_every_part_of_an_instance_fits_the_class_it_configures(name: str, tmp_path: Path) -> None:
    ref = install(name, tmp_path)
    launcher = ref.run_launcher_data
    assert launcher is not None
    assert check_config(launcher)
    assert check_config(ref.compute_logs_data)["bucket"] == BUCKET
    assert ref.storage_data is not None
    assert ref.storage_data.module_name == "dagster_postgres"
    assert ref.settings["run_monitoring"]["enabled"]


@pytest.mark.parametrize(
    ("where", "value"),
    [("run_launcher__config__job_imag", "x"), ("run_monitoring__enabeld", True)],
)
def test_a_mistake_in_an_instance_would_be_found(tmp_path: Path, where: str, value: object) -> None:
    def check() -> None:
        check_config(
            install("dagster-kubernetes.yaml", tmp_path, **{where: value}).run_launcher_data
        )

    with pytest.raises((DagsterInvalidConfigError, AssertionError)):
        check()


def load_example(name: str) -> Definitions:
    """Load a file of definitions as the code server does."""
    (target,) = get_loadable_targets(
        python_file=str(EXAMPLES / name),
        module_name=None,
        package_name=None,
        working_directory=str(ROOT),
        attribute=None,
        autoload_defs_module_name=None,
        resolve_lazy_defs=True,
    )
    assert isinstance(target.target_definition, Definitions)
    return target.target_definition


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[Definitions]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITWORKS_WORKSPACE", str(ROOT))
        yield load_example("kubernetes_definitions.py")


def test_the_same_definitions_run_on_the_executor_of_each_example(kubernetes: Definitions) -> None:
    from orchestration.definitions import defs

    expected = defs.resolve_asset_graph().get_all_asset_keys()
    examples = {"k8s": kubernetes, "celery": load_example("celery_definitions.py")}
    for executor, example in examples.items():
        assert example.resolve_asset_graph().get_all_asset_keys() == expected
        jobs = list(example.resolve_all_job_defs())
        assert {job.name for job in jobs} == {job.name for job in defs.resolve_all_job_defs()}
        assert {job.executor_def.name for job in jobs} == {executor}
        for job in jobs:
            validate_run_config(job, {})


def test_the_run_configuration_fits_the_definitions(kubernetes: Definitions) -> None:
    config = yaml.safe_load((EXAMPLES / "run-gpu.yaml").read_text())
    job = kubernetes.resolve_implicit_global_asset_job_def()
    validate_run_config(job, config)
    config["ops"]["trained_model"]["config"]["forse"] = True
    with pytest.raises(DagsterInvalidConfigError, match="forse"):
        validate_run_config(job, config)


def test_whatever_takes_a_slot_of_the_gpu_pool_gets_a_pod_with_a_gpu(
    kubernetes: Definitions, tmp_path: Path
) -> None:
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import (
        DagsterK8sJobConfig,
        UserDefinedDagsterK8sConfig,
        construct_dagster_k8s_job,
    )

    graph = kubernetes.resolve_asset_graph()
    on_gpu = {
        key.to_user_string() for key in graph.executable_asset_keys if "gpu" in graph.get(key).pools
    }
    job = kubernetes.resolve_implicit_global_asset_job_def()
    outcome = job.executor_def.apply_config_mapping({})
    assert outcome.success, outcome.errors
    per_step = outcome.value["config"]["per_step_k8s_config"]
    assert set(per_step) == on_gpu

    data = install("dagster-kubernetes.yaml", tmp_path).run_launcher_data
    assert data is not None
    launcher = check_config(data)
    names = ("env_vars", "env_secrets", "volumes", "volume_mounts", "resources")
    shared = K8sContainerContext(**{name: launcher[name] for name in names})
    for step in sorted(on_gpu):
        own = UserDefinedDagsterK8sConfig.from_dict(per_step[step])
        context = shared.merge(K8sContainerContext(run_k8s_config=own))
        manifest = construct_dagster_k8s_job(
            DagsterK8sJobConfig(job_image=launcher["job_image"], dagster_home="/opt/dagster"),
            ["dagster", "api", "execute_step"],
            "dagster-step",
            context.run_k8s_config,
        )
        pod = manifest.spec.template.spec
        (container,) = pod.containers
        assert container.resources.limits["nvidia.com/gpu"] == "1"
        assert pod.node_selector == {"gaitworks/node": "gpu"}
        assert {mount.mount_path for mount in container.volume_mounts} >= {"/workspace"}
        assert {volume.name for volume in pod.volumes} >= {"workspace"}
        assert "GAITWORKS_WORKSPACE" in {variable.name for variable in container.env}


def test_what_processes_print_is_kept_in_object_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from dagster._core.storage.compute_log_manager import ComputeIOType

    with serve_s3() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        # Dagster's default, the system's folder for temporary files, outlives the test.
        local = {"compute_logs__config__local_dir": str(tmp_path / "local")}
        data = install("dagster-kubernetes.yaml", tmp_path / "home", **local).compute_logs_data
        manager = data.rehydrate(as_type=object)
        key = ["run", "compute_logs", "trained_model"]
        with manager.open_log_stream(key, ComputeIOType.STDERR) as stream:
            stream.write("loss 0.5")
        assert manager.get_log_data(key).stderr == b"loss 0.5"
        listed = boto3.client("s3", endpoint_url=endpoint).list_objects_v2(Bucket=BUCKET)
        assert [found["Key"] for found in listed["Contents"]] == [
            "compute-logs/storage/run/compute_logs/trained_model.err"
        ]


def test_the_code_location_is_where_the_webserver_looks_for_it() -> None:
    workspace = yaml.safe_load((EXAMPLES / "workspace.yaml").read_text())
    outcome = process_workspace_config(workspace)
    assert outcome.success, outcome.errors
    (location,) = (entry["grpc_server"] for entry in workspace["load_from"])
    values = yaml.safe_load((EXAMPLES / "helm-values.yaml").read_text())
    (server,) = values["dagster-user-deployments"]["deployments"]
    assert (server["name"], server["port"]) == (location["host"], location["port"])
    option, path = server["dagsterApiGrpcArgs"]
    assert option == "-f"
    assert (ROOT / Path(path).relative_to("/opt/gaitworks")).is_file()


def test_examples_hold_no_secret_and_name_every_variable_they_need() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    used = set()
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for line in path.read_text().splitlines():
            assert "password: {env:" in line or "password:" not in line, line
            if "{env: " in line:
                used.add(line.split("{env: ")[1].split("}")[0])
    assert {name for name in used if f"`{name}`" not in text} == set()
    assert used <= set(VARIABLES) | {*CREDENTIALS}, os.linesep.join(sorted(used))


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_celery_worker_executes_a_step_of_the_pipeline(reference: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    for folder in ("raw", "data/shards", "partitions"):
        shutil.copytree(reference / folder, workspace / folder)
    shutil.copyfile(reference / "params.yaml", workspace / "params.yaml")
    (tmp_path / "home").mkdir()
    shutil.copyfile(ROOT / ".dagster" / "dagster.yaml", tmp_path / "home" / "dagster.yaml")
    # Files in place of a broker: whoever sends writes where the worker reads.
    (tmp_path / "data_in").mkdir()
    (tmp_path / "data_out").symlink_to("data_in")
    (tmp_path / "results").mkdir()
    tools = environment() | {
        "DAGSTER_HOME": str(tmp_path / "home"),
        "GAITWORKS_WORKSPACE": str(workspace),
        "GAITWORKS_CELERY_BROKER": "filesystem://",
        "GAITWORKS_CELERY_BACKEND": f"file://{tmp_path / 'results'}",
        "PYTHONPATH": str(EXAMPLES),
    }
    serve = "-A celery_worker worker --prefetch-multiplier 1 --pool solo -Q dagster -l INFO"
    log = tmp_path / "worker.log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [str(BIN / "celery"), *serve.split()],
            stdout=stream,
            stderr=stream,
            env=tools,
            cwd=tmp_path,
        ) as worker,
    ):
        try:
            done = subprocess.run(
                [
                    *(str(BIN / "dagster"), "asset", "materialize"),
                    *("-f", str(EXAMPLES / "celery_definitions.py")),
                    *("--select", "participant_splits"),
                ],
                capture_output=True,
                text=True,
                check=False,
                env=tools,
                cwd=tmp_path,
                timeout=600,
            )
        finally:
            worker.terminate()
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Task execute_plan" in log.read_text()
    built, expected = (root / "data" / "splits" for root in (workspace, reference))
    assert directory_version(built) == directory_version(expected)

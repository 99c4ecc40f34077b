"""The pipeline's own definitions on Kubernetes: a pod for each step, on a GPU node where it trains.

Load it as the code location in place of `orchestration.definitions`.
"""

from dagster import Definitions
from dagster_k8s import k8s_job_executor

from orchestration import definitions as pipeline

GPU_STEP = {
    "container_config": {
        "resources": {
            "requests": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"},
            "limits": {"memory": "32Gi", "nvidia.com/gpu": "1"},
        },
    },
    "pod_spec_config": {
        "node_selector": {"gaitworks/node": "gpu"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    },
}
CPU_STEP = {
    "container_config": {
        "resources": {"requests": {"cpu": "4", "memory": "8Gi"}, "limits": {"memory": "16Gi"}},
    },
}

executor = k8s_job_executor.configured(
    {
        "step_k8s_config": CPU_STEP,
        "per_step_k8s_config": {
            "trained_model": GPU_STEP,
            "model_evaluation": GPU_STEP,
            "model_explanation": GPU_STEP,
        },
        "max_concurrent": 16,
        "retries": {"enabled": {}},
    }
)

# A file may hold one `Definitions` only, so the pipeline's are named through their module.
defs = Definitions.merge(pipeline.defs, Definitions(executor=executor))

"""The walk-through of docs/adding_a_model.md, as it stands there, trains and is judged."""

import json
import re
import sys
import types
from pathlib import Path

import torch

from training.evaluate import run_evaluation
from training.models.registry import MODELS
from training.models.sconet import SilhouetteSpec
from training.train import run_training
from transforms.progress import NoProgress

PAGE = Path(__file__).parents[3] / "docs" / "adding_a_model.md"
LINE = 'SilhouetteSpec(True, ("cross_entropy", "triplet"), pool_time=TopMeanSpec().build)'


def test_the_page_s_file_and_line_are_all_that_a_new_model_needs(
    tmp_path, write_tiny_cohort, monkeypatch
):
    page = PAGE.read_text()
    assert LINE in page
    (code,) = re.findall(r'```python\n("""The mean.*?)```', page, flags=re.DOTALL)
    module = types.ModuleType("top_mean")
    monkeypatch.setitem(sys.modules, "top_mean", module)
    exec(code, module.__dict__)
    spec = eval(LINE, module.__dict__ | {"SilhouetteSpec": SilhouetteSpec})
    monkeypatch.setitem(MODELS, "sconet_top", spec)
    cohort = write_tiny_cohort(tmp_path / "cohort")
    job = cohort.training_job(tmp_path / "model", model="sconet_top")
    run_training(job, device="cpu", progress=NoProgress())
    output = tmp_path / "judged"
    run_evaluation(cohort.evaluation_job(job, output), device="cpu", progress=NoProgress())
    assert json.loads((output / "metrics.json").read_bytes())["model"] == "sconet_top"
    pooling = module.TopMean(0.2)
    features = torch.rand(10, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    handed_out = (pooling.slopes(features, features) * features).sum(dim=0)
    torch.testing.assert_close(handed_out, pooling(features[None], features)[0])

"""The work queue, as the registry lists it."""

from __future__ import annotations

from datapkg.kit.domains import Domain, SeedTable
from datapkg.workqueue.documents import AGENTS_USED
from datapkg.workqueue.models import ExecutionMetric, Feature, FeatureDependency, FeatureTransition, RoiMetric

__all__ = ["DOMAIN"]

_SCHEMAS = "datapkg.workqueue.schemas"

DOMAIN = Domain(
    name="workqueue",
    models=(Feature, FeatureDependency, FeatureTransition, ExecutionMetric, RoiMetric),
    seeds=(
        # What a feature is called and asks for is managed; how far it has come is the queue's and the operator's.
        SeedTable(
            model=Feature,
            schema=f"{_SCHEMAS}:FeatureRow",
            natural_key=("feature_number",),
            insert_only=(
                "status",
                "priority",
                "priority_rank",
                "result_data",
                "execution_log",
                "failure_kind",
                "max_attempts",
                "unmet_dependencies",
                "finished_at",
                "created_at",
            ),
        ),
        SeedTable(
            model=FeatureDependency,
            schema=f"{_SCHEMAS}:DependencyRow",
            natural_key=("feature", "depends_on_number"),
            insert_only=("depends_on", "created_at"),
        ),
        # What was measured is history: a seed writes it once.
        SeedTable(
            model=ExecutionMetric,
            schema=f"{_SCHEMAS}:MetricRow",
            natural_key=("feature",),
            insert_only=tuple(name for name in ExecutionMetric._meta.fields if name not in ("id", "feature")),
        ),
        SeedTable(
            model=RoiMetric,
            schema=f"{_SCHEMAS}:RoiRow",
            natural_key=("feature",),
            insert_only=tuple(name for name in RoiMetric._meta.fields if name not in ("id", "feature")),
        ),
    ),
    documents={"execution_metrics.agents_used": AGENTS_USED},
)
"""What migrate, seed and the test fixtures know of this domain."""

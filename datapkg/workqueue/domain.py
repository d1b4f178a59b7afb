"""The work queue, as the registry lists it."""

from __future__ import annotations

from datapkg.kit.domains import Domain
from datapkg.workqueue.documents import AGENTS_USED
from datapkg.workqueue.models import ExecutionMetric, Feature, FeatureDependency, FeatureTransition, RoiMetric

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="workqueue",
    models=(Feature, FeatureDependency, FeatureTransition, ExecutionMetric, RoiMetric),
    documents={"execution_metrics.agents_used": AGENTS_USED},
)
"""What migrate, seed and the test fixtures know of this domain."""

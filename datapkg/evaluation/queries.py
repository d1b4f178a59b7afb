"""Every function of the evaluation domain, in one place."""

from __future__ import annotations

from datapkg.evaluation.definitions import (
    create_definition,
    delete_definition,
    find_definition,
    fork_definition,
    get_definition,
    get_definition_with_content,
    list_definitions,
    update_definition,
)
from datapkg.evaluation.diffs import DefinitionDiff, diff_definitions
from datapkg.evaluation.scenarios import (
    ScenarioDraft,
    count_scenarios,
    create_scenario,
    delete_scenario,
    expand_scenarios,
    find_scenario,
    generate_scenarios,
    get_scenario,
    list_scenarios,
)
from datapkg.evaluation.trees import TreeNode, common_ancestor, get_ancestors, get_definition_tree, get_descendants

__all__ = [
    "DefinitionDiff",
    "ScenarioDraft",
    "TreeNode",
    "common_ancestor",
    "count_scenarios",
    "create_definition",
    "create_scenario",
    "delete_definition",
    "delete_scenario",
    "diff_definitions",
    "expand_scenarios",
    "find_definition",
    "find_scenario",
    "fork_definition",
    "generate_scenarios",
    "get_ancestors",
    "get_definition",
    "get_definition_tree",
    "get_definition_with_content",
    "get_descendants",
    "get_scenario",
    "list_definitions",
    "list_scenarios",
    "update_definition",
]

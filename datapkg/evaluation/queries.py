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
from datapkg.evaluation.trees import TreeNode, common_ancestor, get_ancestors, get_definition_tree, get_descendants

__all__ = [
    "DefinitionDiff",
    "TreeNode",
    "common_ancestor",
    "create_definition",
    "delete_definition",
    "diff_definitions",
    "find_definition",
    "fork_definition",
    "get_ancestors",
    "get_definition",
    "get_definition_tree",
    "get_definition_with_content",
    "get_descendants",
    "list_definitions",
    "update_definition",
]

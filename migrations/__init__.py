"""The migrations of the built-in domains, shipped as ``datapkg._migrations``: one numbered file per step."""

"""Work on whole databases: migrations, seeds, health."""

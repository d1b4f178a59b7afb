"""How fast datapkg is beside the raw driver and other libraries: ``python -m benchmarks``."""

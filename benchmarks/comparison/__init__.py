"""Several models under the same loads: what is compared, the run on disk, its result."""

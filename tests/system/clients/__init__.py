"""Programs of others that submit RELION's jobs: each as its own project installs it."""

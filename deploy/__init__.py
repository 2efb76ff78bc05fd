"""Every way to run Assay. Knows services and shared; nothing that runs in production imports it back."""

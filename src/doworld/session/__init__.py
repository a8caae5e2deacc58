"""The workbench without a face: learn, ask, tour, report."""

"""What every layer uses: errors, names, progress, keys, devices."""

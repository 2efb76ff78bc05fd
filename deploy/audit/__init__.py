"""`make audit`: what this code base stands on. Known vulnerabilities, licences, and pins by hash."""

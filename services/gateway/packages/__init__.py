"""PackageService: asked for, waited for, listed, linked to. Made elsewhere."""

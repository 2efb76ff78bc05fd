"""AdminService: for those who run Assay. Only admins get this far: the interceptor sees to it."""

"""OpenID Connect: accounts of other houses open doors here, and ours open doors elsewhere."""

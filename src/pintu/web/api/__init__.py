"""`/api/v1`: what the pages and scripts ask and do, as JSON, each call decided by the gate once."""

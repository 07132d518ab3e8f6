"""(1) Where frames and the list of stations come from."""

"""What people and other systems see: the NGSI-LD binding, the pages, the API and the streams."""

"""(1) Where lamps are heard: gateways over MQTT."""

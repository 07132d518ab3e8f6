"""A demo city behind the wire (演示): simulated lamp gateways that speak MQTT, air stations
that speak HJ 212. Imports nothing of Pintu.

Read in order: `district` (roads and lamps of a made-up riverside district), `sky` (when it is
dark),
`faults` (what is broken, and when), `lamps` (what a lamp measures), `gateways` (what a gateway
says),
`broker` (an MQTT broker in this process); `air_series` (what the air holds), `hj212_wire` (frames),
`air_stations` (what a station says), `air_command` (its options); `__main__` (the command).
"""

"""The outside yardstick: ETSI's NGSI-LD test suite, run through both doors of a fresh city."""

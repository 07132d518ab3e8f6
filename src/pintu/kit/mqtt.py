"""MQTT for pieces: every broker, users and TLS by settings, acknowledged only after commit."""

from pintu.kernel.intake.doors.mqtt_connector import (
    MqttAddress,
    MqttConnector,
    MqttManner,
    read_address,
    sender_of_topic,
)

__all__ = ["MqttAddress", "MqttConnector", "MqttManner", "read_address", "sender_of_topic"]

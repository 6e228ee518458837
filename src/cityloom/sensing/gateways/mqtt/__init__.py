"""MQTT: our own door for devices and subscribers, and the client side of the city's broker."""

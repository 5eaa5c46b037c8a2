"""The trial plant of the demonstration: a pump skid behind OPC UA and a robot cell over MQTT that take orders.

Both are simulated: first-order physics, noise from a seed, faults that can be injected. Types, twins, rules and
bindings are the documents beside this file, as they would be for real ones.
"""

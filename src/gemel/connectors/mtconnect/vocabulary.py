"""What the MTConnect standard says its words mean: units as UCUM codes, controlled vocabularies, kinds of types.

Source: the schemas MTConnectDevices and MTConnectStreams, versions 1.3 to 2.4.
"""

from __future__ import annotations

__all__ = ["HEADLINES", "INTEGERS", "NORMAL", "ORGANIZERS", "UNITS", "VALUES", "VECTOR_UNITS"]

UNITS: dict[str, str] = {
    "AMPERE": "A",
    "AMPERE_HOUR": "A.h",
    "BAR": "bar",
    "CELSIUS": "Cel",
    "CENTIPOISE": "cP",
    "COULOMB": "C",
    "COUNT": "1",
    "COUNT/SECOND": "/s",
    "CUBIC_FOOT": "[ft_i]3",
    "CUBIC_FOOT/HOUR": "[ft_i]3/h",
    "CUBIC_FOOT/MINUTE": "[ft_i]3/min",
    "CUBIC_METER": "m3",
    "CUBIC_MILLIMETER": "mm3",
    "CUBIC_MILLIMETER/SECOND": "mm3/s",
    "CUBIC_MILLIMETER/SECOND^2": "mm3/s2",
    "DECIBEL": "dB",
    "DEGREE": "deg",
    "DEGREE/MINUTE": "deg/min",
    "DEGREE/SECOND": "deg/s",
    "DEGREE/SECOND^2": "deg/s2",
    "DEGREE_3D": "deg",
    "FAHRENHEIT": "[degF]",
    "FOOT": "[ft_i]",
    "FOOT/MINUTE": "[ft_i]/min",
    "FOOT/SECOND": "[ft_i]/s",
    "FOOT/SECOND^2": "[ft_i]/s2",
    "FOOT_3D": "[ft_i]",
    "GALLON/MINUTE": "[gal_us]/min",
    "GRAM": "g",
    "GRAM/CUBIC_METER": "g/m3",
    "GRAVITATIONAL_ACCELERATION": "[g]",
    "GRAVITATIONAL_FORCE": "[g]",
    "HERTZ": "Hz",
    "HOUR": "h",
    "INCH": "[in_i]",
    "INCH/MINUTE": "[in_i]/min",
    "INCH/REVOLUTION": "[in_i]",
    "INCH/SECOND": "[in_i]/s",
    "INCH/SECOND^2": "[in_i]/s2",
    "INCH_3D": "[in_i]",
    "INCH_POUND": "[in_i].[lbf_av]",
    "JOULE": "J",
    "KELVIN": "K",
    "KILOGRAM": "kg",
    "KILOWATT": "kW",
    "KILOWATT_HOUR": "kW.h",
    "LITER": "L",
    "LITER/MINUTE": "L/min",
    "LITER/SECOND": "L/s",
    "METER/SECOND^2": "m/s2",
    "MICRO_RADIAN": "urad",
    "MILLIGRAM": "mg",
    "MILLIGRAM/CUBIC_MILLIMETER": "mg/mm3",
    "MILLILITER": "mL",
    "MILLIMETER": "mm",
    "MILLIMETER/MINUTE": "mm/min",
    "MILLIMETER/REVOLUTION": "mm",
    "MILLIMETER/SECOND": "mm/s",
    "MILLIMETER/SECOND^2": "mm/s2",
    "MILLIMETER_3D": "mm",
    "MILLIMETER_MERCURY": "mm[Hg]",
    "MINUTE": "min",
    "NEWTON": "N",
    "NEWTON_METER": "N.m",
    "OHM": "Ohm",
    "PASCAL": "Pa",
    "PASCAL/MINUTE": "Pa/min",
    "PASCAL/SECOND": "Pa/s",
    "PASCAL_SECOND": "Pa.s",
    "PERCENT": "%",
    "PH": "1",  # a logarithm of an activity; UCUM's [pH] is arbitrary and converts to nothing
    "POUND": "[lb_av]",
    "POUND/INCH^2": "[psi]",
    "RADIAN": "rad",
    "RADIAN/MINUTE": "rad/min",
    "RADIAN/SECOND": "rad/s",
    "RADIAN/SECOND^2": "rad/s2",
    "REVOLUTION/MINUTE": "/min",
    "REVOLUTION/SECOND": "/s",
    "REVOLUTION/SECOND^2": "/s2",
    "SECOND": "s",
    "SIEMENS/METER": "S/m",
    "SQUARE_INCH": "[in_i]2",
    "SQUARE_MILLIMETER": "mm2",
    "TORR": "mm[Hg]",  # 1 Torr is 1 mm[Hg] to 1.4e-7
    "UNIT_VECTOR_3D": "1",
    "VOLT": "V",
    "VOLT_AMPERE": "V.A",
    "VOLT_AMPERE_REACTIVE": "V.A",  # UCUM has no var; the type says that it is reactive
    "WATT": "W",
    "WATT_SECOND": "W.s",
}
"""MTConnect units and nativeUnits → UCUM. Not here: OTHER, which says nothing."""

VECTOR_UNITS = frozenset({"MILLIMETER_3D", "DEGREE_3D", "UNIT_VECTOR_3D", "INCH_3D", "FOOT_3D"})
"""Units whose value is three numbers between spaces."""

_ON_OFF = ("ON", "OFF")
_ACTIVE = ("ACTIVE", "INACTIVE")
_INTERFACE = ("NOT_READY", "READY", "ACTIVE", "COMPLETE", "FAIL")
_INTERFACE_TYPES = (
    *("CLOSE_CHUCK", "CLOSE_DOOR", "MATERIAL_CHANGE", "MATERIAL_FEED", "MATERIAL_LOAD", "MATERIAL_RETRACT"),
    *("MATERIAL_UNLOAD", "OPEN_CHUCK", "OPEN_DOOR", "PART_CHANGE"),
)

VALUES: dict[str, tuple[str, ...]] = {
    "ACTUATOR_STATE": _ACTIVE,
    "AVAILABILITY": ("AVAILABLE", "UNAVAILABLE"),
    "AXIS_COUPLING": ("TANDEM", "SYNCHRONOUS", "MASTER", "SLAVE"),
    "AXIS_INTERLOCK": _ACTIVE,
    "AXIS_STATE": ("HOME", "TRAVEL", "PARKED", "STOPPED"),
    "BATTERY_STATE": ("CHARGED", "CHARGING", "DISCHARGING", "DISCHARGED"),
    "CHARACTERISTIC_STATUS": (
        "PASS",
        "FAIL",
        "REWORK",
        "SYSTEM_ERROR",
        "INDETERMINATE",
        "NOT_ANALYZED",
        "BASIC_OR_THEORETIC_EXACT_DIMENSION",
        "UNDEFINED",
    ),
    "CHUCK_INTERLOCK": _ACTIVE,
    "CHUCK_STATE": ("OPEN", "CLOSED", "UNLATCHED"),
    "CONNECTION_STATUS": ("CLOSED", "LISTEN", "ESTABLISHED"),
    "CONTROLLER_MODE": ("AUTOMATIC", "MANUAL", "MANUAL_DATA_INPUT", "SEMI_AUTOMATIC", "EDIT", "FEED_HOLD"),
    "CONTROLLER_MODE_OVERRIDE": _ON_OFF,
    "DIRECTION": ("CLOCKWISE", "COUNTER_CLOCKWISE", "POSITIVE", "NEGATIVE", "NONE"),
    "DOOR_STATE": ("OPEN", "CLOSED", "UNLATCHED"),
    "EMERGENCY_STOP": ("ARMED", "TRIGGERED"),
    "END_OF_BAR": ("YES", "NO"),
    "EQUIPMENT_MODE": _ON_OFF,
    "EXECUTION": (
        "READY",
        "ACTIVE",
        "INTERRUPTED",
        "FEED_HOLD",
        "STOPPED",
        "OPTIONAL_STOP",
        "PROGRAM_STOPPED",
        "PROGRAM_COMPLETED",
        "WAIT",
        "PROGRAM_OPTIONAL_STOP",
    ),
    "FUNCTIONAL_MODE": ("PRODUCTION", "SETUP", "TEARDOWN", "MAINTENANCE", "PROCESS_DEVELOPMENT"),
    "INTERFACE_STATE": ("ENABLED", "DISABLED"),
    "LEAK_DETECT": ("DETECTED", "NOT_DETECTED"),
    "LOCK_STATE": ("LOCKED", "UNLOCKED"),
    "OPERATING_MODE": ("AUTOMATIC", "MANUAL", "SEMI_AUTOMATIC"),
    "PART_COUNT_TYPE": ("EACH", "BATCH"),
    "PART_DETECT": ("PRESENT", "NOT_PRESENT"),
    "PART_PROCESSING_STATE": (
        "NEEDS_PROCESSING",
        "IN_PROCESS",
        "PROCESSING_ENDED",
        "PROCESSING_ENDED_COMPLETE",
        "PROCESSING_ENDED_STOPPED",
        "PROCESSING_ENDED_ABORTED",
        "PROCESSING_ENDED_LOST",
        "PROCESSING_ENDED_SKIPPED",
        "PROCESSING_ENDED_REJECTED",
        "WAITING_FOR_TRANSIT",
        "IN_TRANSIT",
        "TRANSIT_COMPLETE",
    ),
    "PART_STATUS": ("PASS", "FAIL"),
    "PATH_MODE": ("INDEPENDENT", "MASTER", "SYNCHRONOUS", "MIRROR"),
    "POWER_STATE": _ON_OFF,
    "POWER_STATUS": _ON_OFF,
    "PROCESS_STATE": ("INITIALIZING", "READY", "ACTIVE", "COMPLETE", "INTERRUPTED", "ABORTED"),
    "PROGRAM_EDIT": ("ACTIVE", "READY", "NOT_READY"),
    "PROGRAM_LOCATION_TYPE": ("LOCAL", "EXTERNAL"),
    "ROTARY_MODE": ("SPINDLE", "INDEX", "CONTOUR"),
    "SPINDLE_INTERLOCK": _ACTIVE,
    "UNCERTAINTY_TYPE": ("COMBINED", "MEAN"),
    "VALVE_STATE": ("OPEN", "OPENING", "CLOSED", "CLOSING"),
    "WAIT_STATE": (
        "POWERING_UP",
        "POWERING_DOWN",
        "PART_LOAD",
        "PART_UNLOAD",
        "TOOL_LOAD",
        "TOOL_UNLOAD",
        "MATERIAL_LOAD",
        "MATERIAL_UNLOAD",
        "SECONDARY_PROCESS",
        "PAUSING",
        "RESUMING",
    ),
    **dict.fromkeys(_INTERFACE_TYPES, _INTERFACE),
}
"""EVENT type → its controlled vocabulary, without UNAVAILABLE, which is a quality."""

INTEGERS = frozenset({"ALARM_LIMIT_COUNT", "LINE_NUMBER", "MATERIAL_LAYER", "NETWORK_PORT", "PART_COUNT", "TOOL_CUTS"})
"""EVENT types without units whose value is a whole number."""

HEADLINES = frozenset(
    {"AVAILABILITY", "CONTROLLER_MODE", "EMERGENCY_STOP", "EXECUTION", "LOAD", "PART_COUNT", "PROGRAM"}
    | {"ROTARY_VELOCITY", "SPINDLE_SPEED"}
)

NORMAL: dict[tuple[str, str], tuple[float, float]] = {
    ("LOAD", "%"): (0.0, 100.0),
    ("CONCENTRATION", "%"): (0.0, 100.0),
    ("FILL_LEVEL", "%"): (0.0, 100.0),
    ("ROTARY_VELOCITY_OVERRIDE", "%"): (0.0, 200.0),
    ("PATH_FEEDRATE_OVERRIDE", "%"): (0.0, 200.0),
    ("AXIS_FEEDRATE_OVERRIDE", "%"): (0.0, 200.0),
}
"""(type, UCUM code) → the band in which a machine may run."""

ORGANIZERS = frozenset(
    {"Adapters", "Auxiliaries", "Axes", "Controllers", "Interfaces", "Materials", "Parts", "Processes"}
    | {"Resources", "Structures", "Systems"}
)
"""Components that only hold others; their names are left out of the ids of their parts."""

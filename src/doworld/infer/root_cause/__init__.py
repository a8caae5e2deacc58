"""Root causes in monitored systems: which mechanism explains an anomaly, or a drift."""

from doworld.infer.root_cause.anomaly import attribute_anomaly as attribute_anomaly
from doworld.infer.root_cause.drift import attribute_drift as attribute_drift
from doworld.infer.root_cause.result import Attribution as Attribution
from doworld.infer.root_cause.result import RootCauses as RootCauses

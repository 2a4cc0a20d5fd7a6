//! Events to Prometheus and to the log

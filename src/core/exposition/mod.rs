//! What targets expose: text 0.0.4, OpenMetrics, protobuf.

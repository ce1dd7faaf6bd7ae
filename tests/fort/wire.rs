//! Connections, gRPC, the administrative listener and browsers.

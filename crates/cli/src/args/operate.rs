//! Arguments of monitoring, retraining and jobs on a cluster.

//! Metrics of the store in which several servers count the requests of a key.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoreLabels {
    store: &'static str,
}

/// Labels of the only kind of store.
const REDIS: StoreLabels = StoreLabels { store: "redis" };

/// Metrics of the store in which several servers count the requests of a key. A server without one has none of them.
#[derive(Clone, Default)]
pub struct LimitMetrics {
    up: Family<StoreLabels, Gauge>,
    replicas: Family<StoreLabels, Gauge>,
}

impl LimitMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "cupola_limits_store_up",
            "1 while the store of the limits answers",
            self.up.clone(),
        );
        let help = "Servers among which the limits are divided";
        registry.register("cupola_limits_replicas", help, self.replicas.clone());
    }

    /// Sets the state of the store, and the number of servers that the limits are divided among.
    pub fn set(&self, up: bool, replicas: u32) {
        self.up.get_or_create(&REDIS).set(i64::from(up));
        self.replicas.get_or_create(&REDIS).set(i64::from(replicas));
    }
}

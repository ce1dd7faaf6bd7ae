//! `[limits]`: rates and quotas that hold for several servers together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Store in which several servers count the requests of each key together. Without it each server counts alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// Address of a store with the protocol of Redis: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`. `${NAME}` stands
    /// for an environment variable.
    #[schemars(regex(pattern = "^redis://."))]
    pub shared: String,
    /// Beginning of the names in the store. Servers that count together have the same one.
    #[serde(default = "prefix")]
    #[schemars(length(min = 1, max = 100))]
    pub prefix: String,
    /// Number of servers among which the limits are divided until the store has answered.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10_000))]
    pub replicas: u32,
}

fn prefix() -> String {
    "cupola".to_owned()
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use crate::parse_serve;

    #[test]
    fn a_store_is_read_and_other_addresses_are_refused() {
        let text = "[limits]\nshared = 'redis://:${REDIS_PASSWORD}@db.example:6379/1'\nreplicas = 3\n";
        let limits = parse_serve("serve.toml", text).unwrap().limits.unwrap();
        assert_eq!((limits.prefix.as_str(), limits.replicas), ("cupola", 3));
        for (text, part) in [
            ("[limits]\nshared = 'http://x'\n", "shared"),
            ("[limits]\nshared = 'rediss://x'\n", "shared"),
            ("[limits]\nprefix = 'a'\n", "shared"),
            ("[limits]\nshared = 'redis://x'\nreplicas = 0\n", "replicas"),
        ] {
            let error = parse_serve("serve.toml", text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

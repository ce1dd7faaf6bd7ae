//! Bags: further copies of the best members with other draws, whose average varies less (Breiman 1996; for networks
//! Lakshminarayanan et al. 2017).
//!
//! A bag has the same train and valid rows, since all members are weighed on common valid rows that none has learned from.
//! It differs by `train.seed`, and boosted trees by the share of rows and columns of each round.

use cupola_spec::{Boosting, Config, Family, Model};

/// Members that are bagged.
pub(super) const MEMBERS: usize = 3;
/// Bags of each.
pub(super) const BAGS: u64 = 4;
/// Share of the rows and columns of a round of boosting, unless it has one already.
const SHARE: f64 = 0.8;

/// Config of a bag.
pub(super) fn config(of: &Config, bag: u64) -> Config {
    let mut config = of.clone();
    config.name = name(&of.name, bag);
    config.train.seed = Some(of.train.seed.unwrap_or(of.seed).wrapping_add(1000 * bag));
    if let Model::Inline(Family::Gbdt(spec)) = &mut config.model {
        let share = |own: f64| if own < 1.0 { own } else { SHARE };
        *spec = Boosting { sample: share(spec.sample), features: share(spec.features), ..spec.clone() };
    }
    config
}

/// Name of a bag of a member.
pub(super) fn name(member: &str, bag: u64) -> String {
    format!("{member}_bag{bag}")
}

//! Columns that are read as texts.

use cupola_spec::{Input, Kind, Run, Target, TargetKind, matches_pattern};

/// Columns whose values are texts, whatever type a source gives them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExactColumns {
    patterns: Vec<String>,
    /// Columns that stay numbers if the source has numbers.
    except: Vec<String>,
}

impl ExactColumns {
    /// Columns of these names.
    pub fn named(names: Vec<String>) -> Self {
        Self { patterns: names, except: Vec::new() }
    }

    /// Columns that a run declares as categories, texts, dates, times or keys of series, but those in `computed`, which expressions use with the
    /// type of the source.
    pub(crate) fn of_run(run: &Run, computed: Vec<String>) -> Self {
        let is_text = |input: &&Input| matches!(input.kind, Kind::Category | Kind::Text | Kind::Date);
        let inputs = run.inputs.iter().filter(is_text).flat_map(|input| input.column_patterns().to_vec());
        let is_class = |target: &&Target| {
            matches!(target.kind, TargetKind::Category | TargetKind::NextToken | TargetKind::Reconstruct)
        };
        let targets =
            run.targets.iter().filter(is_class).filter_map(|target| target.column().map(str::to_owned));
        let order = run.series.keys().iter().cloned();
        let order = order.chain(run.time_column().map(|(column, _)| column.to_owned()));
        let groups = run.targets.iter().filter_map(Target::group).map(str::to_owned);
        Self { patterns: inputs.chain(targets).chain(groups).chain(order).collect(), except: computed }
    }

    /// Names and globs of the columns.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Names of columns that the patterns do not apply to.
    pub fn except(&self) -> &[String] {
        &self.except
    }

    /// `true` if the column holds texts.
    pub fn contains(&self, name: &str) -> bool {
        !self.except.iter().any(|except| except == name)
            && self.patterns.iter().any(|pattern| matches_pattern(pattern, name))
    }
}

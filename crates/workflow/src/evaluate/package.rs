//! Evaluation of a published model on the rows of a source.
//!
//! Rows are read piece by piece: only logits, encoded targets, subgroup values and a sample stay in memory. Rows that
//! windows or token streams are cut from are read at once.

mod explain;
mod sealed;

use std::path::PathBuf;

use cupola_datasets::{LoadRequest, Stream, stream};
use cupola_eval::Metrics;
use cupola_prep::{
    AuditBuilder, AuditRows, Examples, ExamplesWithTargets, FittedTarget, Frame, Plan, each_with_targets,
    examples_with_targets,
};
use cupola_report::{Evaluation, Latency};
use cupola_runtime::Predictor;
use cupola_sources::TextColumns;
use cupola_spec::{Data, Source};
use cupola_train::{SplitOutputs, default_objectives, goal};
use serde_json::Value;

use self::explain::explain;
use self::sealed::SealedEvaluation;
use super::EvaluationOptions;
use super::coverage::coverage_metrics;
use super::data_section::data_section;
use super::model_section::{latency, of_package};
use super::target::SplitToEvaluate;
use crate::error::Error;
use crate::event::{CollectionEvents, WorkflowEvent};
use crate::models::inference::{CHUNK, LoadedModel, explained, in_fitting_spelling, lacks_column};
use crate::models::predict::is_row_by_row;
use crate::session::Session;

/// Rows that the latency is measured with.
const LATENCY_ROWS: usize = 64;
/// Seconds for the latency.
const LATENCY_SECONDS: f64 = 0.5;

/// Evaluation of a package on a source.
#[derive(Debug, Clone)]
pub struct EvaluatedModel {
    /// `name:version`
    pub package: String,
    /// Metrics.
    pub metrics: Metrics,
    /// The whole evaluation.
    pub evaluation: Evaluation,
}

/// Metrics that a package was published with.
#[derive(Debug, Clone)]
pub struct PublishedMetrics {
    /// `name:version`
    pub package: String,
    /// `metrics.json` of the package.
    pub metrics: Value,
    /// Page of the run that published it, if the run is still there.
    pub report: Option<PathBuf>,
}

/// Columns whose groups get metrics of their own.
pub(super) enum SubgroupColumns<'a> {
    /// Columns that the rows must have.
    Named(&'a [String]),
    /// Columns that are left out where the rows lack them.
    IfPresent(&'a [String]),
}

impl SubgroupColumns<'_> {
    /// Names of the columns of these rows, raw or computed.
    fn of_rows(&self, rows: &Stream, plan: &Plan) -> Vec<String> {
        match self {
            Self::Named(names) => names.to_vec(),
            Self::IfPresent(names) => {
                let is_known = |name: &&String| {
                    rows.schema().column_with_name(name).is_some() || plan.derive.needs(name).is_some()
                };
                names.iter().filter(is_known).cloned().collect()
            }
        }
    }
}

/// Outputs of a model on all rows of a source.
pub(super) struct SourceOutputs {
    pub outputs: SplitOutputs,
    pub audit: AuditRows,
    /// First examples.
    first: Examples,
    /// Value of `uncertainty.by` of each row; empty without it, and for rows that windows are cut from.
    groups: Vec<String>,
}

impl Session<'_> {
    /// Evaluates a model on rows that have the target. `data` is a source as in a config. Without subgroup columns in `options`
    /// those of the model's config are taken, as far as the rows have them.
    ///
    /// # Errors
    /// Sources that cannot be read, rows that do not fit the plan, an unknown subgroup column, [`Error::NoSubgroups`], a device
    /// that fails.
    pub fn evaluate_model(
        &self,
        model: &mut LoadedModel,
        data: &str,
        options: &EvaluationOptions,
    ) -> Result<EvaluatedModel, Error> {
        let sealed = SealedEvaluation::of(&model.package);
        let mut options = options.clone();
        let wanted = if options.subgroups.is_empty() {
            options.subgroups.clone_from(&sealed.subgroups);
            SubgroupColumns::IfPresent(&sealed.subgroups)
        } else {
            SubgroupColumns::Named(&options.subgroups)
        };
        let source = self.source_outputs(model, data, &wanted)?;
        let SourceOutputs { outputs, audit, first, groups } = &source;
        let latency = model_latency(&mut model.predictor, first)?;
        let package = model.predictor.package.clone();
        let plan = &package.plan;
        let objectives = default_objectives(plan);
        let mut metrics = outputs.metrics(plan, &objectives);
        if let Some(uncertainty) = &plan.uncertainty {
            let targets = &outputs.examples.targets;
            metrics.values.extend(coverage_metrics(
                plan,
                uncertainty.coverage,
                &outputs.logits,
                targets,
                groups,
            )?);
        }
        let goal = goal(plan);
        let is_language_model = matches!(plan.targets.first(), FittedTarget::NextToken { .. });
        let baseline =
            sealed.baseline.and_then(|baseline| baseline.metrics_of(plan, &objectives, &outputs.examples));
        let split = SplitToEvaluate {
            split: data,
            plan,
            objectives: &objectives,
            outputs: (!is_language_model).then_some(outputs),
            metrics: &metrics,
            baseline: baseline.as_ref(),
            audit,
            goal: Some(goal.name()),
        };
        let mut split = split.evaluate(&options);
        explain(model, &source, options.seed, &mut split)?;
        let mut section = of_package(&model.package, &model.predictor.package.report.engine, latency);
        section.goal = Some(goal.name().to_owned());
        let evaluation = Evaluation {
            model: section,
            data: data_section(plan, data, &[(data, &source.audit)]),
            splits: vec![split],
            ..Evaluation::default()
        };
        Ok(EvaluatedModel { package: model.package.label(), metrics, evaluation })
    }

    /// Metrics that a package was published with.
    ///
    /// # Errors
    /// Unknown or damaged packages.
    pub fn published_metrics(&self, model: &str) -> Result<PublishedMetrics, Error> {
        let package = self.home.package(model)?;
        let metrics = serde_json::from_slice(&package.read("metrics.json")?)?;
        let run = &package.manifest.lineage.run;
        let report = (!run.is_empty()).then(|| self.home.runs().join(run).join("report.html"));
        Ok(PublishedMetrics {
            package: package.label(),
            metrics,
            report: report.filter(|path| path.is_file()),
        })
    }

    /// Outputs of a model on all rows of a source, in order.
    pub(super) fn source_outputs(
        &self,
        model: &mut LoadedModel,
        data: &str,
        subgroups: &SubgroupColumns<'_>,
    ) -> Result<SourceOutputs, Error> {
        let package = model.predictor.package.clone();
        let plan = &package.plan;
        if !is_row_by_row(plan) {
            if let SubgroupColumns::Named(_) = subgroups {
                let what = if plan.window().is_some() { "windows of a series" } else { "texts" };
                return Err(Error::NoSubgroups { package: model.package.label(), what });
            }
            return self.outputs_at_once(model, data);
        }
        let source = Source::One(data.to_owned());
        let rows = self.rows_in_pieces(&source, plan)?;
        let mut audit = AuditBuilder::new(&subgroups.of_rows(&rows, plan), true);
        let mut found: Option<SplitOutputs> = None;
        let mut first = Examples::zeros(plan.layout(), 0);
        let mut groups = Vec::new();
        let frames = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
            let exact = plan.exact_columns();
            rows.each(&mut |batch| {
                visit(Frame::from_batches(rows.schema(), std::slice::from_ref(batch), &exact)?)
            })
        };
        let mut progress = RowProgress::new(self, rows.version().rows as u64);
        let mut seen = 0;
        let done = each_with_targets(plan, &frames, &mut |examples: ExamplesWithTargets, derived: &Frame| {
            let indices: Vec<usize> = (0..derived.rows()).collect();
            groups.extend(plan.groups_of_derived(derived)?.unwrap_or_default());
            audit.push(derived, &indices, &|row| (seen + row) as u64 + 1)?;
            seen += derived.rows();
            let logits = forward(&mut model.predictor, &examples.examples)?;
            if first.rows == 0 {
                first = examples.examples.gather(&indices[..indices.len().min(LATENCY_ROWS)]);
            }
            // A reconstruction is compared with the examples; any other target needs none of them.
            let examples = without_inputs(plan, examples);
            match &mut found {
                Some(found) => {
                    found.logits.extend(logits);
                    found.examples.append_rows(examples);
                }
                None => found = Some(SplitOutputs { logits, examples }),
            }
            progress.advance(derived.rows());
            Ok(())
        });
        progress.finish();
        done.map_err(|error| match error {
            Error::Prepare(error) => explained(error, plan, rows.origin()).into(),
            other => other,
        })?;
        let outputs = match found {
            Some(found) => found,
            None => SplitOutputs {
                logits: Vec::new(),
                examples: examples_with_targets(plan, &self.read_rows(&source, plan)?.frame)?,
            },
        };
        Ok(SourceOutputs { outputs, audit: audit.finish(true), first, groups })
    }

    /// Outputs for rows that windows or token streams are cut from.
    fn outputs_at_once(&self, model: &mut LoadedModel, data: &str) -> Result<SourceOutputs, Error> {
        let package = model.predictor.package.clone();
        let plan = &package.plan;
        let rows = self.read_rows(&Source::One(data.to_owned()), plan)?;
        let labelled = examples_with_targets(plan, &rows.frame);
        let examples = labelled.map_err(|error| explained(error, plan, &rows.origin))?;
        let logits = forward(&mut model.predictor, &examples.examples)?;
        let some: Vec<usize> = (0..examples.examples.rows.min(LATENCY_ROWS)).collect();
        let first = examples.examples.gather(&some);
        let outputs = SplitOutputs { logits, examples };
        Ok(SourceOutputs { outputs, audit: AuditRows::default(), first, groups: Vec::new() })
    }

    /// Opens a source as a package reads it: with the spelling of the training files if the rows lack a column otherwise.
    pub(crate) fn rows_in_pieces(&self, source: &Source, plan: &Plan) -> Result<Stream, Error> {
        in_fitting_spelling(source, plan, &|data| self.open_as(data), &|rows: &Stream| {
            let names: Vec<&str> = rows.schema().fields().iter().map(|field| field.name().as_str()).collect();
            !lacks_column(plan, &|name| names.contains(&name))
        })
    }

    fn open_as(&self, data: &Data) -> Result<Stream, Error> {
        let (roots, watch) = ([PathBuf::from(".")], CollectionEvents(self.observer));
        Ok(stream(&LoadRequest {
            source: &data.source,
            data,
            expect: &[],
            roots: &roots,
            home: self.home.root(),
            progress: &watch,
            texts: TextColumns::All,
        })?)
    }
}

/// Logits of examples, a few rows at a time.
fn forward(predictor: &mut Predictor, examples: &Examples) -> Result<Vec<f32>, Error> {
    let indices: Vec<usize> = (0..examples.rows).collect();
    let mut logits = Vec::new();
    for chunk in indices.chunks(CHUNK) {
        logits.extend(predictor.logits(examples.gather(chunk))?);
    }
    Ok(logits)
}

fn model_latency(predictor: &mut Predictor, first: &Examples) -> Result<Option<Latency>, Error> {
    if predictor.package.is_language_model() {
        return Ok(None);
    }
    latency(first, LATENCY_SECONDS, &mut |examples| Ok::<_, Error>(predictor.logits(examples)?))
}

/// The targets with the number of rows, and the examples only where metrics need them.
fn without_inputs(plan: &Plan, examples: ExamplesWithTargets) -> ExamplesWithTargets {
    if plan.targets.iter().any(|target| matches!(target, FittedTarget::Reconstruct { .. })) {
        return examples;
    }
    let ExamplesWithTargets { examples: Examples { layout, rows, .. }, targets } = examples;
    ExamplesWithTargets {
        examples: Examples { layout, rows, dense: Vec::new(), indices: Vec::new() },
        targets,
    }
}

/// Progress of a pass over rows, reported as that of a collection.
struct RowProgress<'a> {
    session: &'a Session<'a>,
}

impl<'a> RowProgress<'a> {
    fn new(session: &'a Session<'a>, rows: u64) -> Self {
        let unit = cupola_sources::ProgressUnit::Rows;
        session.emit(&WorkflowEvent::CollectionStarted { what: "evaluating", unit, total: Some(rows) });
        Self { session }
    }

    fn advance(&mut self, rows: usize) {
        self.session.emit(&WorkflowEvent::CollectionAdvanced { by: rows as u64 });
    }

    fn finish(&mut self) {
        self.session.emit(&WorkflowEvent::CollectionFinished);
    }
}

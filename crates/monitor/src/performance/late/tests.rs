use serde_json::Value;

use super::*;
use crate::performance::{ChunkPeriod, Chunking};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/late.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|own| own.as_f64().unwrap()).collect()
}

fn forecasts(golden: &Value) -> Vec<SeriesForecast> {
    let forecast = |own: &Value| SeriesForecast {
        series: vec![own["series"].as_str().unwrap().to_owned()],
        origin: own["origin"].as_f64().unwrap(),
        times: numbers(&own["times"]),
        predicted: numbers(&own["predicted"]),
        bounds: Some([numbers(&own["low"]), numbers(&own["high"])]),
        made: own["made"].as_i64(),
    };
    golden["forecasts"].as_array().unwrap().iter().map(forecast).collect()
}

fn values(golden: &Value) -> Vec<ActualValue> {
    let value = |own: &Value| ActualValue {
        series: own["series"].as_str().map(|series| vec![series.to_owned()]),
        time: own["time"].as_f64(),
        value: own["value"].as_f64(),
    };
    golden["values"].as_array().unwrap().iter().map(value).collect()
}

fn compare<'a>(
    found: impl IntoIterator<Item = (&'a String, f64)>,
    [joined, missing]: [usize; 2],
    golden: &Value,
) {
    assert_eq!((joined, missing), (count(&golden["joined"]), count(&golden["missing"])));
    let expected = golden["metrics"].as_object().unwrap();
    let mut seen = 0;
    for (name, value) in found {
        let expected = expected[name].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{name}: {value} {expected}");
        seen += 1;
    }
    assert_eq!(seen, expected.len());
}

#[allow(clippy::cast_possible_truncation, reason = "small counts")]
fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

#[test]
fn the_join_and_its_metrics_are_those_of_pandas_and_sktime() {
    let golden = golden();
    let naive = golden["naive"].as_f64();
    let joined = JoinedForecasts::new(forecasts(&golden), &values(&golden));
    let counts = serde_json::to_value(joined.counts).unwrap();
    for (name, expected) in golden["counts"].as_object().unwrap() {
        assert_eq!(&counts[name], expected, "{name}");
    }
    assert!(joined.counts.unordered > 0);
    let missing = joined.counts.steps - joined.counts.joined;
    let all = [joined.counts.joined, missing].map(|own| usize::try_from(own).unwrap());
    compare(joined.overall(naive).iter().map(|(name, own)| (name, *own)), all, &golden["overall"]);
    for (own, expected) in joined.by_step(naive).iter().zip(golden["steps"].as_array().unwrap()) {
        let metrics = own.metrics.iter().map(|(name, own)| (name, *own));
        compare(metrics, [own.joined, own.missing], expected);
    }
    let series = joined.by_series(naive);
    assert_eq!(series.len(), 3);
    assert_eq!((&series[2].series[..], series[2].joined), (&["west".to_owned()][..], 0));
    for own in &series {
        let metrics = own.metrics.iter().map(|(name, own)| (name, *own));
        compare(metrics, [own.joined, own.missing], &golden["series"][&own.series[0]]);
    }
    let times: Vec<_> = joined
        .forecasts
        .iter()
        .map(|own| jiff::Timestamp::from_duration(jiff::SignedDuration::from_secs_f64(own.origin)).ok())
        .collect();
    let chunks = Chunking::Period(ChunkPeriod::Day).split(times.len(), Some(&times)).unwrap();
    let days = joined.by_chunk(&chunks, naive, &indexmap::IndexMap::new());
    assert_eq!(days.len(), golden["days"].as_object().unwrap().len());
    for (chunk, rows) in days.iter().zip(&chunks) {
        let steps: Vec<_> = rows.rows.iter().flat_map(|row| &joined.values[*row]).collect();
        let known = steps.iter().filter(|own| own.is_some()).count();
        let metrics = chunk.metrics.iter().filter_map(|(name, own)| Some((name, own.realised?)));
        compare(metrics, [known, steps.len() - known], &golden["days"][&chunk.key]);
    }
    let errors = joined.errors();
    let found = joined.forecasts.iter().zip(&errors).filter_map(|(own, error)| Some((own, (*error)?)));
    let expected = golden["errors"].as_array().unwrap();
    assert_eq!(found.clone().count(), expected.len());
    for ((own, error), expected) in found.zip(expected) {
        assert_eq!(
            (own.origin, own.series[0].as_str()),
            (expected["origin"].as_f64().unwrap(), expected["series"].as_str().unwrap())
        );
        assert!((error - expected["error"].as_f64().unwrap()).abs() < 1e-9);
    }
}

fn value(time: f64, value: f64) -> ActualValue {
    ActualValue { series: Some(Vec::new()), time: Some(time), value: Some(value) }
}

fn forecast(origin: f64, times: &[f64], predicted: &[f64]) -> SeriesForecast {
    SeriesForecast {
        origin,
        times: times.to_vec(),
        predicted: predicted.to_vec(),
        ..SeriesForecast::default()
    }
}

#[test]
fn steps_without_times_are_the_next_values() {
    let values = [value(7.0, 30.0), value(1.0, 5.0), value(2.0, 10.0), value(4.0, 20.0)];
    let joined =
        JoinedForecasts::new(vec![forecast(1.0, &[], &[1.0, 2.0]), forecast(4.0, &[], &[3.0, 4.0])], &values);
    assert_eq!(joined.values, [vec![Some(10.0), Some(20.0)], vec![Some(30.0), None]]);
    assert_eq!((joined.counts.pending, joined.counts.gaps, joined.counts.unordered), (1, 0, 3));
    assert_eq!(joined.errors(), [Some(13.5), None]);
}

#[test]
fn nothing_joins_by_chance() {
    let found = JoinedForecasts::new(Vec::new(), &[value(1.0, 1.0)]);
    assert_eq!((found.labelled(), found.horizon(), found.by_step(None).len()), (0, 0, 0));
    // Times that are no numbers, and values that are none.
    let odd =
        [value(f64::NAN, 1.0), value(2.0, f64::INFINITY), value(f64::INFINITY, 1.0), ActualValue::default()];
    let joined = JoinedForecasts::new(vec![forecast(1.0, &[2.0], &[f64::NAN])], &odd);
    assert_eq!((joined.counts.incomplete, joined.counts.joined, joined.counts.pending), (4, 0, 1));
    // A forecast that is no number has no metrics.
    let joined = JoinedForecasts::new(vec![forecast(1.0, &[2.0], &[f64::NAN])], &[value(2.0, 3.0)]);
    assert!(joined.overall(Some(1.0)).is_empty() && joined.errors() == [None]);
    // A fraction of a second is another time; the rounding of a sum is not.
    let third = 0.1 + 0.2;
    let joined =
        JoinedForecasts::new(vec![forecast(0.2, &[third], &[1.0])], &[value(0.3, 1.0), value(0.31, 9.0)]);
    assert_eq!(joined.values, [vec![Some(1.0)]]);
}

#[test]
fn clocks_that_jump_are_counted() {
    let made = |origin: f64, made: i64| SeriesForecast {
        made: Some(made),
        ..forecast(origin, &[origin + 1.0], &[1.0])
    };
    let joined = JoinedForecasts::new(vec![made(5.0, 1), made(3.0, 2), made(6.0, 3), made(6.0, 4)], &[]);
    assert_eq!((joined.counts.backward, joined.counts.repeated_forecasts), (1, 1));
    let origins: Vec<(f64, Option<i64>)> =
        joined.forecasts.iter().map(|own| (own.origin, own.made)).collect();
    assert_eq!(origins, [(3.0, Some(2)), (5.0, Some(1)), (6.0, Some(4))]);
}

#[test]
fn thresholds_come_from_the_chunks_of_a_reference() {
    let of = |scale: f64| {
        let forecasts = (0..20).map(|at| {
            let origin = f64::from(at);
            forecast(origin, &[origin + 1.0], &[10.0 + scale * (1.0 + f64::from(at % 3))])
        });
        let values: Vec<ActualValue> = (0..21).map(|at| value(f64::from(at), 10.0)).collect();
        JoinedForecasts::new(forecasts.collect(), &values)
    };
    let (reference, worse) = (of(1.0), of(4.0));
    let chunks = Chunking::Count(4).split(20, None).unwrap();
    let bands = reference.bands(&chunks, Some(2.0)).unwrap();
    let same = reference.by_chunk(&chunks, Some(2.0), &bands);
    assert!(same.iter().all(|chunk| !chunk.metrics["mae"].realised_alert));
    let found = worse.by_chunk(&chunks, Some(2.0), &bands);
    assert!(found.iter().all(|chunk| chunk.metrics["mase"].realised_alert && !chunk.metrics["mase"].alert));
    assert!(found[0].metrics["mae"].upper_threshold < found[0].metrics["mae"].realised);
    assert!(JoinedForecasts::default().bands(&[], None).is_err());
}

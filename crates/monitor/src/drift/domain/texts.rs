//! Classifier of texts.

use super::area::{area_under_curve, random_area};
use super::descent::{DescentSettings, LinearClassifier};
use super::halves::{Halves, SEED};
use super::vocabulary::{Vocabulary, WordOrder};
use crate::twister::MersenneTwister;

/// Areas of random scores that an area is compared with.
const RANDOM_AREAS: usize = 1000;

/// Classifier of texts on the half of them that it was not trained with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextContent {
    /// Area under the ROC curve.
    pub area: f64,
    /// `true` for each current text of that half.
    pub current: Vec<bool>,
}

impl TextContent {
    /// Trains a classifier with half of the texts, each a list of words, and evaluates it on the others. `None` if a half has texts
    /// of one side only.
    pub fn of(reference: &[Vec<&str>], current: &[Vec<&str>]) -> Option<Self> {
        let text = |row: usize| reference.get(row).unwrap_or_else(|| &current[row - reference.len()]);
        let is_current = |rows: &[usize]| rows.iter().map(|row| *row >= reference.len()).collect::<Vec<_>>();
        let halves = Halves::of(reference.len() + current.len());
        let classes = is_current(&halves.train);
        if !classes.contains(&true) || !classes.contains(&false) {
            return None;
        }
        let train: Vec<Vec<&str>> = halves.train.iter().map(|row| text(*row).clone()).collect();
        let vocabulary = Vocabulary::of(&train);
        let rows: Vec<_> = train.iter().map(|text| vocabulary.row(text, WordOrder::Seen)).collect();
        let settings = DescentSettings::SparseHuber;
        let classifier = LinearClassifier::train(settings, vocabulary.len(), &rows, &classes);
        // Probabilities end at a distance of 1.
        let score = |row: &usize| {
            classifier.decision(&vocabulary.row(text(*row), WordOrder::Alphabet)).clamp(-1.0, 1.0)
        };
        let scores: Vec<f64> = halves.test.iter().map(score).collect();
        let current = is_current(&halves.test);
        Some(Self { area: area_under_curve(&scores, &current)?, current })
    }
}

/// Areas of random scores for these classes, with the draws of Evidently.
pub(crate) fn random_areas(classes: &[bool]) -> Vec<f64> {
    let mut draws = MersenneTwister::of_numpy(SEED);
    let seeds: Vec<u32> = (0..RANDOM_AREAS).map(|_| draws.numpy_up_to(9999)).collect();
    seeds.into_iter().filter_map(|seed| random_area(classes, seed)).collect()
}

/// Words of a text for a classifier: its runs of at least two letters, digits and underscores, in lower case.
pub(crate) fn content_words(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let long = words.filter(|word| word.chars().nth(1).is_some());
    long.map(str::to_lowercase)
}

//! Lines `key=value` of the header and of each tree.

use std::collections::HashMap;
use std::str::FromStr;

use super::invalid;
use crate::error::Error;

/// Lines of a part of the file by key; a line without `=` is a key without a value.
#[derive(Default)]
pub(super) struct Section<'a>(HashMap<&'a str, &'a str>);

/// Header, trees, and the lines after them.
pub(super) fn sections(text: &str) -> (Section<'_>, Vec<Section<'_>>, &str) {
    let (mut header, mut trees): (Section<'_>, Vec<Section<'_>>) = (Section::default(), Vec::new());
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        let line = line.trim_end_matches('\r');
        if line == "end of trees" {
            break;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key == "Tree" {
            trees.push(Section::default());
        }
        trees.last_mut().unwrap_or(&mut header).0.insert(key, value);
    }
    (header, trees, rest)
}

impl<'a> Section<'a> {
    /// Text of a key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    /// Whole number of a key.
    pub fn number(&self, key: &str) -> Option<usize> {
        self.get(key)?.parse().ok()
    }

    /// Numbers of a key, divided by blanks.
    pub fn any_list<T: FromStr>(&self, key: &str) -> Result<Vec<T>, Error> {
        let wrong = || invalid(format!("`{key}` of a tree is not a list of numbers"));
        let items = self.get(key).unwrap_or_default().split_ascii_whitespace();
        items.map(|item| item.parse().map_err(|_| wrong())).collect()
    }

    /// `count` numbers of a key.
    pub fn list<T: FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>, Error> {
        let list = self.any_list(key)?;
        if list.len() == count {
            return Ok(list);
        }
        Err(invalid(format!("`{key}` of a tree has {} numbers instead of {count}", list.len())))
    }

    /// `count` numbers of a key, or none if the file lacks it.
    pub fn optional_list<T: FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>, Error> {
        if self.get(key).is_none_or(str::is_empty) { Ok(Vec::new()) } else { self.list(key, count) }
    }
}

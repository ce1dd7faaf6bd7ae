//! A list that holds at least one target.

use std::iter::{Chain, Once, once};

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

/// The targets of a run, of a plan or of a batch: never empty, in the order of `[[targets]]`.
///
/// It is generic because each stage has its own form of a target: as declared, as fitted, as encoded values.
/// On disk it is two keys, `target` and `further`; text formats leave an empty `further` out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TargetList<T> {
    #[serde(rename = "target")]
    first: T,
    #[serde(default = "Vec::new", rename = "further")]
    rest: Vec<T>,
}

impl<T> TargetList<T> {
    /// A list of `first`, then `rest`.
    pub fn new(first: T, rest: Vec<T>) -> Self {
        Self { first, rest }
    }

    /// A list of one target.
    pub fn single(target: T) -> Self {
        Self::new(target, Vec::new())
    }

    /// A list of `targets`; `None` if there are none.
    pub fn from_vec(targets: Vec<T>) -> Option<Self> {
        let mut targets = targets.into_iter();
        let first = targets.next()?;
        Some(Self::new(first, targets.collect()))
    }

    /// The first target: the only one of most runs.
    pub fn first(&self) -> &T {
        &self.first
    }

    /// The first target, without the others.
    pub fn into_first(self) -> T {
        self.first
    }

    /// The first target, to be changed.
    pub fn first_mut(&mut self) -> &mut T {
        &mut self.first
    }

    /// The targets after the first.
    pub fn rest(&self) -> &[T] {
        &self.rest
    }

    /// `true` if there is one target only.
    pub fn is_single(&self) -> bool {
        self.rest.is_empty()
    }

    /// Number of targets, at least 1.
    pub fn count(&self) -> usize {
        1 + self.rest.len()
    }

    /// All targets in order.
    pub fn iter(&self) -> Chain<Once<&T>, std::slice::Iter<'_, T>> {
        once(&self.first).chain(&self.rest)
    }

    /// All targets in order, to be changed.
    pub fn iter_mut(&mut self) -> Chain<Once<&mut T>, std::slice::IterMut<'_, T>> {
        once(&mut self.first).chain(&mut self.rest)
    }

    /// A list of what `convert` makes of each target.
    pub fn map<U>(&self, mut convert: impl FnMut(&T) -> U) -> TargetList<U> {
        TargetList { first: convert(&self.first), rest: self.rest.iter().map(convert).collect() }
    }

    /// A list of what `convert` makes of each target.
    ///
    /// # Errors
    /// The first error of `convert`.
    pub fn try_map<U, E>(&self, mut convert: impl FnMut(&T) -> Result<U, E>) -> Result<TargetList<U>, E> {
        let first = convert(&self.first)?;
        Ok(TargetList { first, rest: self.rest.iter().map(convert).collect::<Result<_, _>>()? })
    }
}

impl<T> IntoIterator for TargetList<T> {
    type Item = T;
    type IntoIter = Chain<Once<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        once(self.first).chain(self.rest)
    }
}

impl<'a, T> IntoIterator for &'a TargetList<T> {
    type Item = &'a T;
    type IntoIter = Chain<Once<&'a T>, std::slice::Iter<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut TargetList<T> {
    type Item = &'a mut T;
    type IntoIter = Chain<Once<&'a mut T>, std::slice::IterMut<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: Serialize> Serialize for TargetList<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Binary formats have no names, so every field has to be there.
        let brief = serializer.is_human_readable() && self.rest.is_empty();
        let mut fields = serializer.serialize_struct("TargetList", if brief { 1 } else { 2 })?;
        fields.serialize_field("target", &self.first)?;
        if brief {
            fields.skip_field("further")?;
        } else {
            fields.serialize_field("further", &self.rest)?;
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_target_is_written_without_an_empty_list() {
        let one = TargetList::single("a".to_owned());
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, r#"{"target":"a"}"#);
        assert_eq!(serde_json::from_str::<TargetList<String>>(&text).unwrap(), one);
    }

    #[test]
    fn several_targets_keep_their_order() {
        let several = TargetList::from_vec(vec![1, 2, 3]).unwrap();
        assert_eq!(several.iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((several.count(), several.is_single()), (3, false));
        let text = serde_json::to_string(&several).unwrap();
        assert_eq!(text, r#"{"target":1,"further":[2,3]}"#);
        assert_eq!(serde_json::from_str::<TargetList<i32>>(&text).unwrap(), several);
        assert_eq!(TargetList::<i32>::from_vec(Vec::new()), None);
    }
}

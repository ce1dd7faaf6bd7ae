//! Exact Shapley values of trees for the path-dependent game (Lundberg, Erion and Lee 2018, Algorithm 2).
//!
//! The value of a set of features is the mean of the leaves that a row can reach when it follows the splits on these
//! features, and at any other split each branch with the share of training rows that took it. One row takes
//! O(trees · leaves · depth²).

use super::tree::{AdditiveTrees, PlainTree, TreeNode};

/// Feature on the path to a node, with the shares of all subsets of the features before it.
#[derive(Debug, Clone, Copy)]
struct PathElement {
    /// `None` for the root.
    feature: Option<usize>,
    /// Share of training rows that take the branch.
    zero: f64,
    /// 1 if the row takes the branch, else 0.
    one: f64,
    /// Sum of the weights of all subsets of one size.
    weight: f64,
}

impl AdditiveTrees {
    /// Score without any feature: the mean over the training rows.
    pub fn expected(&self) -> f64 {
        self.base + self.trees.iter().map(PlainTree::mean).sum::<f64>()
    }

    /// Steps that [`Self::shapley`] takes for one row, about 8 ns each: for each leaf the square of the number of
    /// features on its path, and a few times that number for each split.
    pub fn shapley_steps(&self) -> f64 {
        self.trees.iter().map(|tree| steps(tree, 0, &mut Vec::new())).sum()
    }

    /// Shapley values of the features of a row, `features` of them: with [`Self::expected`] they sum to the score.
    ///
    /// `proceed` is asked before each tree; `None` once it has said `false`.
    pub fn shapley(
        &self,
        row: &[f64],
        features: usize,
        proceed: &mut dyn FnMut() -> bool,
    ) -> Option<Vec<f64>> {
        let mut values = vec![0.0; features];
        let mut path = Vec::new();
        for tree in &self.trees {
            if !proceed() {
                return None;
            }
            path.clear();
            let mut walk = Walk { tree, row, values: &mut values, path: &mut path };
            walk.visit(0, 0, PathElement { feature: None, zero: 1.0, one: 1.0, weight: 0.0 });
        }
        for (feature, term) in self.linear_terms(row) {
            if let Some(value) = values.get_mut(feature) {
                *value += term;
            }
        }
        Some(values)
    }
}

/// Steps for the node `at`, to which a path with splits on the features of `path`, each once, leads.
fn steps(tree: &PlainTree, at: usize, path: &mut Vec<usize>) -> f64 {
    let length = (path.len() + 1) as f64;
    let (TreeNode::Split { feature, .. } | TreeNode::CategorySplit { feature, .. }) = tree.nodes()[at] else {
        return length * length;
    };
    let is_first = !path.contains(&feature);
    if is_first {
        path.push(feature);
    }
    let below: f64 = tree.nodes()[at].children().map(|child| steps(tree, child, path)).sum();
    if is_first {
        path.pop();
    }
    below + 4.0 * length
}

struct Walk<'a> {
    tree: &'a PlainTree,
    row: &'a [f64],
    values: &'a mut [f64],
    /// The paths of all open calls, one after the other.
    path: &'a mut Vec<PathElement>,
}

impl Walk<'_> {
    /// Visits the node `at`; the path to its parent reaches from `start` to the end.
    fn visit(&mut self, at: usize, start: usize, element: PathElement) {
        let own = self.path.len();
        self.path.extend_from_within(start..);
        extend(self.path, own, element);
        match self.tree.nodes()[at] {
            TreeNode::Leaf { value, .. } => self.add_leaf(own, value),
            TreeNode::Split { feature, .. } | TreeNode::CategorySplit { feature, .. } => {
                self.visit_children(at, own, feature);
            }
        }
        self.path.truncate(own);
    }

    fn visit_children(&mut self, at: usize, own: usize, feature: usize) {
        let (mut zero, mut one) = (1.0, 1.0);
        // A feature that the path has already counts once.
        if let Some(index) = self.path[own..].iter().position(|element| element.feature == Some(feature)) {
            (zero, one) = (self.path[own + index].zero, self.path[own + index].one);
            unwind(&mut self.path[own..], index);
            self.path.pop();
        }
        let hot = self.tree.child(at, self.row);
        for child in self.tree.nodes()[at].children() {
            let zero = zero * self.tree.share(at, child);
            let one = if Some(child) == hot { one } else { 0.0 };
            // Rows of neither kind get there, so no subset has a weight.
            if zero > 0.0 || one > 0.0 {
                self.visit(child, own, PathElement { feature: Some(feature), zero, one, weight: 0.0 });
            }
        }
    }

    fn add_leaf(&mut self, own: usize, leaf: f64) {
        let path = &self.path[own..];
        for (index, element) in path.iter().enumerate().skip(1) {
            let weight = unwound_sum(path, index);
            if let Some(value) = element.feature.and_then(|feature| self.values.get_mut(feature)) {
                *value += weight * (element.one - element.zero) * leaf;
            }
        }
    }
}

/// Adds an element to the path that begins at `start`.
fn extend(path: &mut Vec<PathElement>, start: usize, element: PathElement) {
    let depth = path.len() - start;
    let PathElement { zero, one, .. } = element;
    path.push(PathElement { weight: if depth == 0 { 1.0 } else { 0.0 }, ..element });
    let (path, length) = (&mut path[start..], (depth + 1) as f64);
    for i in (0..depth).rev() {
        path[i + 1].weight += one * path[i].weight * (i + 1) as f64 / length;
        path[i].weight *= zero * (depth - i) as f64 / length;
    }
}

/// Takes the element at `index` out of a path; the last element is left over.
fn unwind(path: &mut [PathElement], index: usize) {
    let depth = path.len() - 1;
    let PathElement { zero, one, .. } = path[index];
    let length = path.len() as f64;
    let mut next = path[depth].weight;
    for i in (0..depth).rev() {
        if one > 0.0 {
            let before = path[i].weight;
            path[i].weight = next * length / ((i + 1) as f64 * one);
            next = before - path[i].weight * zero * (depth - i) as f64 / length;
        } else {
            path[i].weight *= length / (zero * (depth - i) as f64);
        }
    }
    for i in index..depth {
        path[i] = PathElement { weight: path[i].weight, ..path[i + 1] };
    }
}

/// Sum of the weights of a path without the element at `index`.
fn unwound_sum(path: &[PathElement], index: usize) -> f64 {
    let depth = path.len() - 1;
    let PathElement { zero, one, .. } = path[index];
    let mut sum = 0.0;
    let mut next = path[depth].weight;
    for i in (0..depth).rev() {
        if one > 0.0 {
            let weight = next / ((i + 1) as f64 * one);
            sum += weight;
            next = path[i].weight - weight * zero * (depth - i) as f64;
        } else {
            sum += path[i].weight / (zero * (depth - i) as f64);
        }
    }
    sum * path.len() as f64
}

#[cfg(test)]
mod tests;

//! Attention against plain loops in 64 bits.

use super::*;

fn values(count: usize, phase: f32) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.77 + phase).sin() * 1.5).collect()
}

/// A case with its inputs `[batch, time, heads, head_width]`.
struct Case {
    shape: AttentionShape,
    rules: ScoreRules,
    padding: Option<Vec<bool>>,
    dropout: Option<DropoutMask>,
}

impl Case {
    /// Factor of dropout of a weight.
    fn factor(&self, inputs: &AttentionInputs<'_>, [text, head, query, key]: [usize; 4]) -> f64 {
        let Some(dropout) = self.dropout else { return 1.0 };
        if (0..self.shape.time).all(|key| !self.sees(text, query, key)) {
            return 1.0;
        }
        let first = query / BLOCK * BLOCK;
        let columns = (self.shape.time - first).min(BLOCK).next_multiple_of(16);
        let mut factors = vec![0.0; BLOCK * columns];
        dropout.fill(inputs.stream(text, head, [query / BLOCK, key / BLOCK]), &mut factors);
        f64::from(factors[key % BLOCK * columns + query % BLOCK])
    }

    fn sees(&self, text: usize, query: usize, key: usize) -> bool {
        let AttentionShape { time, .. } = self.shape;
        let near = self
            .rules
            .window
            .is_none_or(|window| key + window > query && (self.rules.causal || key < query + window));
        (!self.rules.causal || key <= query)
            && near
            && !self.padding.as_ref().is_some_and(|padding| padding[text * time + key])
    }

    /// Sum of `gradient * attention(q, k, v)` in 64 bits.
    fn objective(&self, [q, k, v]: [&[f64]; 3], gradient: &[f32], factors: &[f64]) -> f64 {
        let AttentionShape { batch, time, heads, kv_heads, head_width } = self.shape;
        let scale = self.rules.scale.map_or(1.0 / (head_width as f64).sqrt(), f64::from);
        let at = |text: usize, token: usize, head: usize, heads: usize| {
            ((text * time + token) * heads + head) * head_width
        };
        let mut sum = 0.0;
        for (text, head, query) in
            (0..batch * heads * time).map(|i| (i / (heads * time), i / time % heads, i % time))
        {
            let kv_head = head / (heads / kv_heads);
            let own = &q[at(text, query, head, heads)..][..head_width];
            let score = |key: usize| {
                let other = &k[at(text, key, kv_head, kv_heads)..][..head_width];
                let score = own.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() * scale;
                let bound =
                    self.rules.softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh());
                if self.sees(text, query, key) { bound } else { -1e30 }
            };
            let scores: Vec<f64> = (0..time).map(score).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = scores.iter().map(|score| (score - most).exp()).sum();
            let g = &gradient[at(text, query, head, heads)..][..head_width];
            for (key, score) in scores.iter().enumerate() {
                let factor = factors[((text * heads + head) * time + query) * time + key];
                let weight = (score - most).exp() / total * factor;
                let value = &v[at(text, key, kv_head, kv_heads)..][..head_width];
                sum += value.iter().zip(g).map(|(v, g)| weight * v * f64::from(*g)).sum::<f64>();
            }
        }
        sum
    }

    /// Compares the output, and each `step`-th gradient with a finite difference.
    fn check(&self, step: usize) {
        let shape = self.shape;
        let AttentionShape { batch, time, heads, kv_heads, head_width } = shape;
        let count = |heads: usize| batch * time * heads * head_width;
        let q = values(count(heads), 0.0);
        let (k, v) = (values(count(kv_heads), 1.0), values(count(kv_heads), 2.0));
        let gradient = values(count(heads), 3.0);
        let strides = |heads: usize| [time * heads * head_width, head_width, heads * head_width];
        let of = |values, heads| Heads { values, strides: strides(heads) };
        let inputs = AttentionInputs {
            q: of(&q, heads),
            k: of(&k, kv_heads),
            v: of(&v, kv_heads),
            rules: &self.rules,
            padding: self.padding.as_deref(),
            dropout: self.dropout,
            shape,
        };
        let weights = (0..batch * heads * time * time)
            .map(|i| [i / (heads * time * time), i / (time * time) % heads, i / time % time, i % time]);
        let factors: Vec<f64> = weights.map(|at| self.factor(&inputs, at)).collect();
        let wide = [&q, &k, &v].map(|x| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        let exact = self.objective([&wide[0], &wide[1], &wide[2]], &gradient, &factors);
        let near = |a: f64, b: f64| (a - b).abs() < 5e-4 * b.abs().max(1.0);
        let slopes: Vec<Vec<f64>> = (0..3)
            .map(|which| {
                let slope = |index: usize| {
                    let mut moved = wide.clone();
                    let mut at = |h: f64| {
                        moved[which][index] = wide[which][index] + h;
                        self.objective([&moved[0], &moved[1], &moved[2]], &gradient, &factors)
                    };
                    (at(1e-4) - at(-1e-4)) / 2e-4
                };
                (0..wide[which].len()).step_by(step).map(slope).collect()
            })
            .collect();
        // Short texts have a path of their own; both have to agree.
        for in_blocks in [false, true] {
            let log_sums = vec![0.0; batch * heads * time];
            let kept = if in_blocks { forward_in_blocks(&inputs, log_sums) } else { forward(&inputs) };
            let of_forward = ForwardValues { y: &kept.y, log_sums: &kept.log_sums };
            let backward = if in_blocks { backward_in_blocks } else { backward };
            let found = backward(&inputs, of_forward, &gradient);
            let sum: f64 = kept.y.iter().zip(&gradient).map(|(y, g)| f64::from(y * g)).sum();
            assert!(near(sum, exact), "{shape:?} {:?}: {sum}, {exact}", self.rules);
            for (which, found) in [&found.q, &found.k, &found.v].into_iter().enumerate() {
                for (at, (found, slope)) in found.iter().step_by(step).zip(&slopes[which]).enumerate() {
                    assert!(
                        near(f64::from(*found), *slope),
                        "{shape:?} {:?}, blocks {in_blocks}, input {which} at {}: {found}, {slope}",
                        self.rules,
                        at * step
                    );
                }
            }
        }
    }
}

fn shape(batch: usize, time: usize, [heads, kv_heads]: [usize; 2], head_width: usize) -> AttentionShape {
    AttentionShape { batch, time, heads, kv_heads, head_width }
}

#[test]
fn gradients_are_those_of_finite_differences_in_64_bits() {
    let causal = ScoreRules { causal: true, ..ScoreRules::default() };
    let rules = [
        ScoreRules::default(),
        causal,
        ScoreRules { window: Some(3), ..causal },
        ScoreRules { window: Some(2), ..ScoreRules::default() },
        ScoreRules { softcap: Some(1.5), scale: Some(0.4), ..causal },
    ];
    for rules in rules {
        for shape in [
            shape(1, 1, [1, 1], 1),
            shape(2, 5, [2, 1], 3),
            shape(1, 17, [4, 2], 16),
            shape(1, 9, [3, 3], 20),
        ] {
            for dropout in [None, Some(DropoutMask::new(0.3, 11))] {
                Case { shape, rules, padding: None, dropout }.check(3);
                let padding = (0..shape.batch * shape.time).map(|i| i % 4 == 0 || i % 7 == 3).collect();
                Case { shape, rules, padding: Some(padding), dropout }.check(3);
            }
        }
    }
}

#[test]
fn texts_of_several_blocks() {
    let causal = ScoreRules { causal: true, ..ScoreRules::default() };
    for (rules, time) in [
        (causal, 64),
        (causal, 130),
        (ScoreRules { window: Some(70), ..causal }, 150),
        (ScoreRules::default(), 100),
    ] {
        for dropout in [None, Some(DropoutMask::new(0.2, 12))] {
            Case { shape: shape(1, time, [2, 1], 8), rules, padding: None, dropout }.check(211);
        }
    }
}

#[test]
fn a_text_of_nothing_but_padding_attends_to_all_alike() {
    let rules = ScoreRules { causal: true, ..ScoreRules::default() };
    for dropout in [None, Some(DropoutMask::new(0.4, 13))] {
        Case { shape: shape(2, 6, [2, 2], 4), rules, padding: Some(vec![true; 12]), dropout }.check(1);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (batch, time, head_width) in [(64, 17, 12), (128, 33, 8), (3, 100, 16)] {
        let shape = shape(batch, time, [4, 2], head_width);
        let count = |heads: usize| batch * time * heads * head_width;
        let (q, k, v) = (values(count(4), 0.0), values(count(2), 1.0), values(count(2), 2.0));
        let gradient = values(count(4), 3.0);
        let strides = |heads: usize| [time * heads * head_width, head_width, heads * head_width];
        let of = |values, heads| Heads { values, strides: strides(heads) };
        let (q, k, v) = (of(&q, 4), of(&k, 2), of(&v, 2));
        let (rules, dropout) = (ScoreRules::default(), Some(DropoutMask::new(0.1, 5)));
        let inputs = AttentionInputs { q, k, v, rules: &rules, padding: None, dropout, shape };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let kept = forward(&inputs);
                let found =
                    backward(&inputs, ForwardValues { y: &kept.y, log_sums: &kept.log_sums }, &gradient);
                [kept.y, found.q, found.k, found.v]
            })
        };
        assert!(run(1) == run(3), "{shape:?}");
    }
}

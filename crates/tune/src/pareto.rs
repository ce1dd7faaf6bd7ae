//! Fronts of several objectives, all as losses of which smaller is better.

/// `true` if `a` is nowhere worse than `b` and somewhere better.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// Rank of each point: zero for the Pareto front, one for the front without those, and so on (Deb et al. 2002).
pub fn front_ranks(losses: &[Vec<f64>]) -> Vec<usize> {
    let count = losses.len();
    let mut dominated: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut dominators = vec![0_usize; count];
    for a in 0..count {
        for b in 0..count {
            if dominates(&losses[a], &losses[b]) {
                dominated[a].push(b);
                dominators[b] += 1;
            }
        }
    }
    let mut ranks = vec![0; count];
    let mut front: Vec<usize> = (0..count).filter(|place| dominators[*place] == 0).collect();
    let mut rank = 0;
    while !front.is_empty() {
        let mut next = Vec::new();
        for place in front {
            ranks[place] = rank;
            for worse in &dominated[place] {
                dominators[*worse] -= 1;
                if dominators[*worse] == 0 {
                    next.push(*worse);
                }
            }
        }
        front = next;
        rank += 1;
    }
    ranks
}

/// Places of the points that no other dominates, in ascending order.
pub fn pareto_front(losses: &[Vec<f64>]) -> Vec<usize> {
    let beaten = |point: &Vec<f64>| losses.iter().any(|other| dominates(other, point));
    (0..losses.len()).filter(|place| !beaten(&losses[*place])).collect()
}

/// Crowding distance of each point among all given ones; infinite at the ends (Deb et al. 2002).
pub fn crowding_distances(losses: &[Vec<f64>]) -> Vec<f64> {
    let mut distances = vec![0.0; losses.len()];
    for objective in 0..losses.first().map_or(0, Vec::len) {
        let mut order: Vec<usize> = (0..losses.len()).collect();
        order.sort_by(|a, b| losses[*a][objective].total_cmp(&losses[*b][objective]));
        let (Some(first), Some(last)) = (order.first(), order.last()) else { continue };
        let width = losses[*last][objective] - losses[*first][objective];
        distances[*first] = f64::INFINITY;
        distances[*last] = f64::INFINITY;
        if width > 0.0 {
            for window in order.windows(3) {
                distances[window[1]] += (losses[window[2]][objective] - losses[window[0]][objective]) / width;
            }
        }
    }
    distances
}

/// Area that points dominate below a reference point, for two objectives.
pub fn hypervolume_2d(losses: &[[f64; 2]], reference: [f64; 2]) -> f64 {
    let mut points: Vec<[f64; 2]> =
        losses.iter().copied().filter(|p| p[0] < reference[0] && p[1] < reference[1]).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let mut height = reference[1];
    let mut area = 0.0;
    for [x, y] in points {
        if y < height {
            area += (reference[0] - x) * (height - y);
            height = y;
        }
    }
    area
}

/// Places of the `count` best points: by the loss for one objective, else by front. The front that does not fit
/// entirely is chosen greedily by hypervolume for two objectives, by crowding for more.
pub fn best_subset(losses: &[Vec<f64>], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..losses.len()).collect();
    if losses.first().is_none_or(|first| first.len() == 1) {
        order.sort_by(|a, b| losses[*a][0].total_cmp(&losses[*b][0]));
        order.truncate(count);
        return order;
    }
    let ranks = front_ranks(losses);
    let mut chosen = Vec::new();
    for rank in 0..losses.len() {
        let front: Vec<usize> = order.iter().copied().filter(|place| ranks[*place] == rank).collect();
        if chosen.len() + front.len() <= count {
            chosen.extend(front);
            continue;
        }
        let points: Vec<Vec<f64>> = front.iter().map(|place| losses[*place].clone()).collect();
        let rest = count - chosen.len();
        chosen.extend(spread_subset(&points, rest).into_iter().map(|place| front[place]));
        break;
    }
    chosen
}

/// Greedy choice of well spread points of one front.
fn spread_subset(points: &[Vec<f64>], count: usize) -> Vec<usize> {
    let pairs: Vec<[f64; 2]> = points.iter().map(|p| [p[0], p.get(1).copied().unwrap_or(0.0)]).collect();
    if points.first().is_none_or(|point| point.len() != 2) {
        let distances = crowding_distances(points);
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|a, b| distances[*b].total_cmp(&distances[*a]));
        order.truncate(count);
        return order;
    }
    let reference = [0, 1].map(|objective| {
        let worst = pairs.iter().map(|pair| pair[objective]).fold(f64::NEG_INFINITY, f64::max);
        // A tenth beyond the worst value, on the worse side for either sign.
        let beyond = (1.1 * worst).max(0.9 * worst);
        if beyond == 0.0 { 1e-12 } else { beyond }
    });
    let mut chosen: Vec<usize> = Vec::new();
    let mut area: Vec<[f64; 2]> = Vec::new();
    while chosen.len() < count {
        let gain = |place: &usize| {
            let mut with = area.clone();
            with.push(pairs[*place]);
            hypervolume_2d(&with, reference)
        };
        let open = (0..points.len()).filter(|place| !chosen.contains(place));
        let Some(best) = open.max_by(|a, b| gain(a).total_cmp(&gain(b)).then(b.cmp(a))) else { break };
        chosen.push(best);
        area.push(pairs[best]);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fronts_crowding_and_areas_equal_hand_computed_ones() {
        let losses: Vec<Vec<f64>> =
            [[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0], [4.0, 4.0]].iter().map(|p| p.to_vec()).collect();
        assert_eq!(front_ranks(&losses), [0, 0, 0, 1, 2]);
        assert_eq!(pareto_front(&losses), [0, 1, 2]);
        let distances = crowding_distances(&losses[..3]);
        assert!(distances[0].is_infinite() && distances[2].is_infinite());
        assert!((distances[1] - 2.0).abs() < 1e-12);
        let pairs = [[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0]];
        assert!((hypervolume_2d(&pairs, [5.0, 5.0]) - (4.0 + 6.0 + 1.0)).abs() < 1e-12);
        assert_eq!(best_subset(&losses, 1), [1]);
        assert_eq!(best_subset(&losses, 4).len(), 4);
    }
}

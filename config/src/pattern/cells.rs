//! Intervals over an ordered kind of value, cut into cells so that one search finds all intervals that hold a
//! value.

use std::ops::Bound;

use super::bits;

/// From a lower to an upper bound.
pub(super) type Interval<K> = (Bound<K>, Bound<K>);

/// The points where intervals begin or end, and a row of bits for each point and each gap between points.
#[derive(Debug, Clone)]
pub(super) struct Cells<K> {
    points: Vec<K>,
    width: usize,
    rows: Vec<u64>,
}

impl<K: Ord + Clone> Cells<K> {
    /// Every interval comes with the row of bits that it gives to the values inside.
    pub(super) fn new(width: usize, intervals: &[(Interval<K>, Vec<u64>)]) -> Self {
        let ends = intervals.iter().flat_map(|((low, high), _)| [low, high]);
        let mut points: Vec<K> = ends
            .filter_map(|bound| match bound {
                Bound::Included(point) | Bound::Excluded(point) => Some(point.clone()),
                Bound::Unbounded => None,
            })
            .collect();
        points.sort_unstable();
        points.dedup();
        // Cell 0 lies below the first point, cell 2i + 1 is point i, cell 2i + 2 the gap above it.
        let mut rows = vec![0; (2 * points.len() + 1) * width];
        for ((low, high), row) in intervals {
            let at = |point: &K| 2 * points.partition_point(|other| other < point) + 1;
            let first = match low {
                Bound::Included(point) => at(point),
                Bound::Excluded(point) => at(point) + 1,
                Bound::Unbounded => 0,
            };
            let end = match high {
                Bound::Included(point) => at(point) + 1,
                Bound::Excluded(point) => at(point),
                Bound::Unbounded => 2 * points.len() + 1,
            };
            for cell in first..end {
                bits::or(&mut rows[cell * width..][..width], row);
            }
        }
        Self { points, width, rows }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Where intervals begin or end, in order.
    pub(super) fn points(&self) -> &[K] {
        &self.points
    }

    /// The row of the cell that a search among the points found.
    pub(super) fn row(&self, found: Result<usize, usize>) -> &[u64] {
        let cell = match found {
            Ok(point) => 2 * point + 1,
            Err(gap) => 2 * gap,
        };
        &self.rows[cell * self.width..][..self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_finds_exactly_the_intervals_that_hold_it() {
        use Bound::{Excluded, Included, Unbounded};
        let intervals: [Interval<i32>; 6] = [
            (Included(3), Included(3)),
            (Excluded(3), Unbounded),
            (Unbounded, Included(3)),
            (Excluded(1), Excluded(5)),
            (Included(1), Included(5)),
            (Excluded(5), Excluded(5)),
        ];
        let rows: Vec<_> = intervals.iter().enumerate().map(|(idx, it)| (*it, vec![1 << idx])).collect();
        let cells = Cells::new(1, &rows);
        for value in -1..8 {
            let holds = |(low, high): &Interval<i32>| {
                (match low {
                    Included(low) => value >= *low,
                    Excluded(low) => value > *low,
                    Unbounded => true,
                }) && (match high {
                    Included(high) => value <= *high,
                    Excluded(high) => value < *high,
                    Unbounded => true,
                })
            };
            let expected =
                intervals.iter().enumerate().fold(0, |row, (idx, it)| row | u64::from(holds(it)) << idx);
            assert_eq!(cells.row(cells.points().binary_search(&value)), [expected], "{value}");
        }
    }
}

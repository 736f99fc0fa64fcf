//! Rows of bits, a bit for each alternative of a pattern, and the union of any run of rows.

/// `into |= from`
pub(super) fn or(into: &mut [u64], from: &[u64]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into |= from;
    }
}

/// Sets a bit.
pub(super) fn set(row: &mut [u64], bit: usize) {
    row[bit / 64] |= 1 << (bit % 64);
}

/// The positions of the bits that are set.
pub(super) fn ones(row: &[u64]) -> impl Iterator<Item = usize> {
    row.iter().enumerate().flat_map(|(word_idx, &word)| {
        let mut left = word;
        std::iter::from_fn(move || {
            (left != 0).then(|| {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                word_idx * 64 + bit
            })
        })
    })
}

/// Rows under a tree of unions, so that the union of any run of them costs a few rows and not the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Unions {
    n_rows: usize,
    width: usize,
    tree: Vec<u64>,
}

impl Unions {
    pub(super) fn new<'a>(width: usize, rows: impl ExactSizeIterator<Item = &'a [u64]>) -> Self {
        let n_rows = rows.len();
        // As in a heap: the rows are the leaves, from `n_rows` on, and node `n` is the union of `2n` and
        // `2n + 1`.
        let mut tree = vec![0; 2 * n_rows * width];
        for (row_idx, row) in rows.enumerate() {
            tree[(n_rows + row_idx) * width..][..width].copy_from_slice(row);
        }
        for parent in (1..n_rows).rev() {
            for word in 0..width {
                tree[parent * width + word] =
                    tree[2 * parent * width + word] | tree[(2 * parent + 1) * width + word];
            }
        }
        Self { n_rows, width, tree }
    }

    /// `into |=` rows `from..to`; gives the words it touched.
    pub(super) fn or_run(&self, from: usize, to: usize, into: &mut [u64]) -> u64 {
        let (mut low, mut high) = (from + self.n_rows, to + self.n_rows);
        let mut steps = 0;
        let mut take = |node: usize| {
            or(into, &self.tree[node * self.width..][..self.width]);
            steps += self.width as u64;
        };
        // From both ends inwards: whom its parent would bring beyond the run is taken by itself.
        while low < high {
            if low % 2 == 1 {
                take(low);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                take(high);
            }
            low /= 2;
            high /= 2;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_union_of_every_run_is_the_union_of_its_rows() {
        for n_rows in 0..20_usize {
            let rows: Vec<[u64; 1]> = (0..n_rows).map(|row| [1 << row]).collect();
            let unions = Unions::new(1, rows.iter().map(|row| row.as_slice()));
            for from in 0..=n_rows {
                for to in from..=n_rows {
                    let mut union = [0];
                    unions.or_run(from, to, &mut union);
                    assert_eq!(
                        union[0],
                        (from..to).fold(0, |union, row| union | 1 << row),
                        "{n_rows} rows, {from}..{to}"
                    );
                }
            }
        }
    }

    #[test]
    fn ones_lists_the_bits_that_are_set() {
        let mut row = [0; 3];
        for bit in [0, 63, 64, 190] {
            set(&mut row, bit);
        }
        assert_eq!(ones(&row).collect::<Vec<_>>(), [0, 63, 64, 190]);
    }
}

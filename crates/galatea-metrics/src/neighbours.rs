//! Nearest neighbours by exact distances, block by block: no `n` by `n` matrix is kept.

use galatea_data::HostTensor;

/// Rows of the second set that are held in cache together.
const BLOCK: usize = 64;

/// Calls `visit(i, j, squared distance)` for every row `j` of `b` and the row `i` of `a`.
fn distances_from(a: &HostTensor, i: usize, b: &HostTensor, mut visit: impl FnMut(usize, f64)) {
    let row = a.row(i);
    for j in 0..b.rows() {
        visit(j, squared(row, b.row(j)));
    }
}

/// Squared Euclidean distance, summed in f64 over chunks of f32 products.
fn squared(a: &[f32], b: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [0.0f32; 8];
        let (xs, ys) = (a.chunks_exact(8), b.chunks_exact(8));
        let rest: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
        for (x, y) in xs.zip(ys) {
            for lane in 0..8 {
                let apart = x[lane] - y[lane];
                lanes[lane] += apart * apart;
            }
        }
        sum += f64::from(lanes.iter().sum::<f32>() + rest);
    }
    sum
}

/// Applies `f` to every row number below `n` on all cores; the results are in order, whatever the number of cores.
pub fn for_rows<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = galatea_kernels::pool::threads().clamp(1, n.max(1));
    let share = n.div_ceil(threads);
    std::thread::scope(|scope| {
        let f = &f;
        let workers: Vec<_> = (0..threads)
            .map(|t| scope.spawn(move || (t * share..((t + 1) * share).min(n)).map(f).collect::<Vec<T>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Squared distance of each row of `a` to its `k`-th nearest other row of `a`.
pub fn radii(a: &HostTensor, k: usize) -> Vec<f64> {
    for_rows(a.rows(), |i| {
        let mut nearest = vec![f64::INFINITY; k];
        distances_from(a, i, a, |j, distance| {
            if j != i && distance < nearest[k - 1] {
                let at = nearest.partition_point(|other| *other <= distance);
                nearest.pop();
                nearest.insert(at, distance);
            }
        });
        nearest[k - 1]
    })
}

/// For each row of `a` its nearest row of `b` and their squared distance.
pub fn nearest(a: &HostTensor, b: &HostTensor) -> Vec<(usize, f64)> {
    for_rows(a.rows(), |i| {
        let mut best = (0, f64::INFINITY);
        distances_from(a, i, b, |j, distance| {
            if distance < best.1 {
                best = (j, distance);
            }
        });
        best
    })
}

/// For each row of `a`, how many rows `j` of `b` are nearer than `radii[j]` (squared, the border included).
pub fn balls_around(a: &HostTensor, b: &HostTensor, radii: &[f64]) -> Vec<usize> {
    for_rows(a.rows(), |i| {
        let mut count = 0;
        distances_from(a, i, b, |j, distance| count += usize::from(distance <= radii[j]));
        count
    })
}

//! Losses from logits, together with their derivatives.

/// The mean of `softplus(sign x)`, in f64, and its derivative by each logit.
///
/// `softplus(t) = max(t, 0) + ln(1 + exp(-|t|))` cannot overflow.
pub fn softplus_mean(x: &[f32], sign: f32, dx: &mut [f32]) -> f64 {
    mean_with_slopes(x, dx, |x| {
        let t = f64::from(sign) * x;
        let small = (-t.abs()).exp();
        let slope = if t >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
        // Not `t.max(0.0)`, which would make 0 of NaN.
        (if t < 0.0 { 0.0 } else { t } + small.ln_1p(), f64::from(sign) * slope)
    })
}

/// The mean of `max(0, 1 + sign x)`, and its derivative by each logit.
pub fn hinge_mean(x: &[f32], sign: f32, dx: &mut [f32]) -> f64 {
    mean_with_slopes(x, dx, |x| {
        let t = 1.0 + f64::from(sign) * x;
        if t <= 0.0 { (0.0, 0.0) } else { (t, f64::from(sign)) }
    })
}

fn mean_with_slopes(x: &[f32], dx: &mut [f32], f: impl Fn(f64) -> (f64, f64)) -> f64 {
    assert_eq!(x.len(), dx.len(), "a slope per logit");
    let n = x.len().max(1) as f64;
    let mut sum = 0.0;
    for (x, dx) in x.iter().zip(dx) {
        let (value, slope) = f(f64::from(*x));
        sum += value;
        *dx = (slope / n) as f32;
    }
    sum / n
}

/// The mean of `-ln softmax(x)[label]` over the rows of `[n, classes]`, in nats, and its derivative by each logit.
///
/// # Panics
/// If lengths differ or a label is not below `classes`.
pub fn softmax_cross_entropy(classes: usize, x: &[f32], labels: &[u32], dx: &mut [f32]) -> f64 {
    assert!(x.len() == labels.len() * classes && dx.len() == x.len(), "a label per row");
    let n = labels.len().max(1) as f64;
    let mut sum = 0.0;
    for ((x, dx), label) in x.chunks_exact(classes).zip(dx.chunks_exact_mut(classes)).zip(labels) {
        let label = *label as usize;
        assert!(label < classes, "labels are below {classes}");
        let largest = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let total: f64 = x.iter().map(|x| (f64::from(*x) - largest).exp()).sum();
        sum += total.ln() - (f64::from(x[label]) - largest);
        for (j, (x, dx)) in x.iter().zip(&mut *dx).enumerate() {
            let share = (f64::from(*x) - largest).exp() / total;
            *dx = ((share - f64::from(u8::from(j == label))) / n) as f32;
        }
    }
    sum / n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Derivatives against central differences in f64.
    fn check(f: impl Fn(&[f32], &mut [f32]) -> f64, x: &[f32]) {
        let mut slopes = vec![0.0; x.len()];
        f(x, &mut slopes);
        for i in 0..x.len() {
            let at = |h: f32| {
                let mut moved = x.to_vec();
                moved[i] += h;
                (f(&moved, &mut vec![0.0; x.len()]), f64::from(moved[i]))
            };
            let ((high, right), (low, left)) = (at(1e-3), at(-1e-3));
            let expected = (high - low) / (right - left);
            assert!((f64::from(slopes[i]) - expected).abs() < 1e-5, "{i}: {} and {expected}", slopes[i]);
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        let x = [-3.0, -0.5, 0.25, 2.0, 7.0, -11.0];
        for sign in [1.0, -1.0] {
            check(|x, dx| softplus_mean(x, sign, dx), &x);
            check(|x, dx| hinge_mean(x, sign, dx), &x);
        }
        check(|x, dx| softmax_cross_entropy(3, x, &[2, 0], dx), &x);
    }

    #[test]
    fn values_are_those_of_the_formulas() {
        let mut dx = [0.0; 2];
        assert!((softplus_mean(&[0.0, 0.0], 1.0, &mut dx) - 2f64.ln()).abs() < 1e-12);
        assert!((softplus_mean(&[1e4, -1e4], 1.0, &mut dx) - 5e3).abs() < 1e-6);
        assert!(softplus_mean(&[f32::NAN, 0.0], -1.0, &mut dx).is_nan());
        assert_eq!(hinge_mean(&[3.0, -2.0], -1.0, &mut dx), 1.5);
        assert!(hinge_mean(&[f32::NAN, 0.0], 1.0, &mut dx).is_nan());
        assert!((softmax_cross_entropy(2, &[0.0, 0.0], &[1], &mut dx) - 2f64.ln()).abs() < 1e-12);
        assert_eq!(dx, [0.5, -0.5]);
    }
}

//! Changes of pictures against their definition.

use galatea_kernels::pictures::{Alteration, alter, alter_backward};

use super::*;

fn alterations() -> Vec<Alteration> {
    let (sin, cos) = 0.4f32.sin_cos();
    let turned = [cos, -sin, 1.2, sin, cos, -0.8];
    vec![
        Alteration::NONE,
        Alteration { brightness: 0.3, saturation: 1.7, contrast: 0.6, ..Alteration::NONE },
        // Two down and one to the left.
        Alteration { from: [1.0, 0.0, -2.0, 0.0, 1.0, 1.0], ..Alteration::NONE },
        Alteration { hole: [1.0, 4.0, 2.0, 99.0], ..Alteration::NONE },
        Alteration { brightness: -0.4, saturation: 0.2, contrast: 1.3, from: turned, hole: [0.0, 2.0, 0.0, 3.0] },
        // Everything out of sight, and nonsense.
        Alteration { from: [1.0, 0.0, 1e30, 0.0, 1.0, -1e30], ..Alteration::NONE },
        Alteration { from: [f32::NAN; 6], hole: [f32::NAN; 4], ..Alteration::NONE },
    ]
}

#[test]
fn pictures_of_any_size() {
    for [height, width, channels] in [[1, 1, 1], [5, 7, 3], [16, 9, 1], [33, 2, 4]] {
        let all = alterations();
        let shape = [all.len(), height, width, channels];
        let (x, g) = (draw(1, shape.iter().product()), draw(2, shape.iter().product()));
        let expected = reference::alter(shape, &x, &all);
        everywhere(
            || {
                let y = filled(x.len(), |y| alter(shape, &x, &all, y));
                vec![y, filled(x.len(), |dx| alter_backward(shape, &g, &all, dx))]
            },
            |found| {
                close(&found[0], &expected, 16, "changed pictures");
                // Without the brightness that is added the change is linear: <g, A x> = <A^T g, x>.
                let dark: Vec<Alteration> = all.iter().map(|a| Alteration { brightness: 0.0, ..*a }).collect();
                let dot = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum::<f64>();
                let len = height * width * channels;
                let changed = reference::alter(shape, &x, &dark);
                for i in 0..all.len() {
                    let part = i * len..(i + 1) * len;
                    let left = dot(&changed[part.clone()], &g[part.clone()]);
                    let right = dot(&double(&found[1][part.clone()]), &x[part]);
                    assert!((left - right).abs() < 1e-4 * (1.0 + left.abs()), "picture {i}: {left}, {right}");
                }
            },
        );
    }
    alter([0, 4, 4, 1], &[], &[], &mut []);
}

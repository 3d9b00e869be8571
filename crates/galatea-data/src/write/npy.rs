//! NumPy's `.npy`, version 1.0.

use super::{byte, check_numbers};
use crate::{HostTensor, Result};

/// Values of [-1, 1] as an array of bytes of the same shape, 0 to 255.
///
/// # Errors
/// If a value is NaN.
pub fn bytes(array: &HostTensor) -> Result<Vec<u8>> {
    check_numbers(array)?;
    let mut out = header("|u1", &array.shape);
    out.extend(array.values.iter().map(|value| byte(*value)));
    Ok(out)
}

/// The values as they are, an array of `float32`.
pub fn floats(array: &HostTensor) -> Vec<u8> {
    let mut out = header("<f4", &array.shape);
    out.extend(array.values.iter().flat_map(|value| value.to_le_bytes()));
    out
}

fn header(dtype: &str, shape: &[usize]) -> Vec<u8> {
    // A tuple of one has a comma.
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    // The values begin at a multiple of 64, and the header ends in a line feed.
    const BEFORE: usize = 10;
    let full = (BEFORE + text.len() + 1).next_multiple_of(64);
    text.push_str(&" ".repeat(full - BEFORE - text.len() - 1));
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_numpy() {
        // np.save of np.array([0, 128, 255], np.uint8).
        let mut expected =
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }".to_vec();
        expected.resize(127, b' ');
        expected.extend(b"\n\x00\x80\xff");
        assert_eq!(bytes(&HostTensor::new([3], vec![-1.0, 0.0, 1.0])).unwrap(), expected);
        let floats = floats(&HostTensor::new([2, 1], vec![1.0, -2.5]));
        assert_eq!(floats[128..], [0, 0, 128, 63, 0, 0, 32, 192]);
        assert!(bytes(&HostTensor::new([1], vec![f32::NAN])).is_err());
    }
}

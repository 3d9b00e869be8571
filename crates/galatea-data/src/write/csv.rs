//! Tables with commas, as spreadsheets read them.

use super::check_numbers;
use crate::{Error, HostTensor, Result};

/// Points `[n, d]` as lines `x1,x2,..` under a line with these names, and each point's class where there are classes.
///
/// Numbers are written so that they are read back exactly.
///
/// # Errors
/// If the array has other dimensions, or a value is NaN.
pub fn bytes(points: &HostTensor, labels: Option<&[u32]>, classes: &[String]) -> Result<Vec<u8>> {
    let [n, d] = points.shape[..] else {
        return Err(Error::usage(format!("an array of shape {:?} is no table", points.shape))
            .with_hint("points are [n, d]; write pictures as .png or .npy"));
    };
    check_numbers(points)?;
    let columns = (1..=d).map(|column| format!("x{column}")).chain(labels.map(|_| "class".to_owned()));
    let mut out = columns.collect::<Vec<_>>().join(",");
    for i in 0..n {
        out.push('\n');
        let numbers = points.row(i).iter().map(f32::to_string);
        let class = labels.map(|labels| quoted(classes.get(labels[i] as usize).map_or("", String::as_str)));
        out.push_str(&numbers.chain(class).collect::<Vec<_>>().join(","));
    }
    out.push('\n');
    Ok(out.into_bytes())
}

/// A text as it stands in a table (RFC 4180, section 2).
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_back_exactly() {
        let points = HostTensor::new([2, 2], vec![0.1, -2.5e-9, 1.0 / 3.0, 4.0]);
        let text = String::from_utf8(bytes(&points, None, &[]).unwrap()).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("x1,x2"));
        let read: Vec<f32> = lines.flat_map(|line| line.split(',')).map(|value| value.parse().unwrap()).collect();
        assert_eq!(read, points.values);
        let classes = ["a".to_owned(), "b, \"c\"".to_owned()];
        let text = bytes(&HostTensor::new([2, 1], vec![1.0, 2.0]), Some(&[1, 0]), &classes).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "x1,class\n1,\"b, \"\"c\"\"\"\n2,a\n");
        assert!(bytes(&HostTensor::new([1, 1, 2, 2], vec![0.0; 4]), None, &[]).is_err());
        assert!(bytes(&HostTensor::new([1, 1], vec![f32::NAN]), None, &[]).is_err());
    }
}

//! Tables with commas, as spreadsheets read them.

use super::check_numbers;
use crate::{Error, HostTensor, Result, SeriesSpec, TableSpec};

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

/// Windows of series `[n, length, channels]` as lines `example,moment,..` under the channels' names, and each window's class
/// where there are classes.
///
/// # Errors
/// If the array has other dimensions, or a value is NaN.
pub fn series(windows: &HostTensor, labels: Option<&[u32]>, spec: &SeriesSpec) -> Result<Vec<u8>> {
    let [n, length, channels] = windows.shape[..] else {
        return Err(Error::usage(format!("an array of shape {:?} is no set of windows", windows.shape)));
    };
    check_numbers(windows)?;
    let mut out = "example,moment".to_owned();
    spec.channels.iter().for_each(|channel| out.push_str(&format!(",{}", quoted(channel))));
    out.push_str(if labels.is_some() { ",class" } else { "" });
    for i in 0..n {
        let class = labels.map(|labels| quoted(spec.classes.get(labels[i] as usize).map_or("", String::as_str)));
        for (t, moment) in windows.row(i).chunks_exact(channels.max(1)).take(length).enumerate() {
            out.push_str(&format!("\n{i},{t}"));
            moment.iter().for_each(|value| out.push_str(&format!(",{value}")));
            class.iter().for_each(|class| out.push_str(&format!(",{class}")));
        }
    }
    out.push('\n');
    Ok(out.into_bytes())
}

/// Rows of a table `[n, columns]` by the names of their values, under those of the columns.
///
/// # Errors
/// If the array has other dimensions.
pub fn rows(rows: &HostTensor, spec: &TableSpec) -> Result<Vec<u8>> {
    if rows.shape.len() != 2 || rows.shape[1] != spec.columns.len() {
        return Err(Error::usage(format!("an array of shape {:?} is no set of rows", rows.shape)));
    }
    let names: Vec<String> = spec.columns.iter().map(|column| quoted(&column.name)).collect();
    let mut out = names.join(",");
    for i in 0..rows.rows() {
        let values = rows.row(i).iter().zip(&spec.columns);
        let fields: Vec<String> = values
            .map(|(value, column)| quoted(column.values.get(*value as usize).map_or("", String::as_str)))
            .collect();
        out.push('\n');
        out.push_str(&fields.join(","));
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

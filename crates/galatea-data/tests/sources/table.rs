//! Tables with commas: rows of values, and series of numbers.

use std::fs;
use std::path::PathBuf;

use galatea_data::{DataOptions, DataSpec, Missing, open, split, write};

use crate::{opened, refusal};

fn series(window: usize) -> DataOptions {
    DataOptions { window, ..DataOptions::default() }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn refused(&self, text: &str, options: &DataOptions) -> String {
        let path = self.write("a.csv", text);
        refusal(&path, options).replace(&path.display().to_string(), "a.csv")
    }
}

#[test]
fn a_table_of_values_is_read_and_written_again() {
    let folder = Folder::new();
    let text = "name,age,\"where, exactly\"\nAda,10,\"York, old\"\nBob,9,Ulm\nAda,10,Ulm\n";
    let data = opened(&folder.write("people.csv", text), &DataOptions::default());
    let DataSpec::Table(table) = data.spec() else { panic!("{}", data.spec()) };
    assert_eq!(table.columns[0].values, ["Ada", "Bob"]);
    // Numbers are in their own order.
    assert_eq!(
        (table.columns[1].values.clone(), &table.columns[2].name[..]),
        (vec!["9".into(), "10".into()], "where, exactly")
    );
    let rows = data.batch(&[0, 1, 2]).unwrap().values;
    assert_eq!(rows.values, [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(String::from_utf8(write::overview(&rows, data.spec(), 1).unwrap()).unwrap(), text);
    // A quote in quotes is doubled; lines may end in quotes, and as on Windows.
    let odd = opened(
        &folder.write("odd.csv", "a , b\r\n\"say \"\"hi\"\"\nthere\", x \r\n\r\n\" y\",z\r\n"),
        &DataOptions::default(),
    );
    let DataSpec::Table(table) = odd.spec() else { panic!() };
    assert_eq!(table.columns[0].values, [" y", "say \"hi\"\nthere"]);
    assert_eq!((table.columns[1].name.as_str(), table.columns[1].values.concat()), ("b", "xz".to_owned()));
    // Semicolons and tabs do as well.
    for sign in [";", "\t"] {
        let other = text.replace("\"York, old\"", "York").replace("\"where, exactly\"", "where").replace(',', sign);
        assert_eq!(opened(&folder.write("other.tsv", &other), &DataOptions::default()).len(), 3);
    }
}

#[test]
fn a_series_is_cut_into_windows_and_split_by_time() {
    let folder = Folder::new();
    let rows: String = (0..200).map(|t| format!("2024-01-01 {t},{t},{}\n", -2 * t)).collect();
    let data = opened(&folder.write("s.csv", &format!("Time,up,down\n{rows}")), &series(10));
    let DataSpec::Series(spec) = data.spec() else { panic!("{}", data.spec()) };
    assert_eq!(
        (data.len(), spec.channels.clone(), data.spec().shape()),
        (191, vec!["up".into(), "down".into()], vec![10, 2])
    );
    // The scale is that of the moments 0 to 171, which reach up to what is held back.
    assert!((spec.mean[0] - 85.5).abs() < 1e-4 && (spec.deviation[1] - 2.0 * spec.deviation[0]).abs() < 1e-3);
    assert_eq!(data.batch(&[3]).unwrap().values.values[..4], [3.0, -6.0, 4.0, -8.0]);
    let parts = split(&*data, 0.2);
    let last = parts.train.last().unwrap() + 9;
    assert!(last < parts.held_back[0] && parts.held_back[0] <= last + 1, "no moment is in both, and none is wasted");
    let one: String = std::iter::once("up\n".to_owned()).chain((0..200).map(|t| format!("{t}\n"))).collect();
    let apart = opened(&folder.write("one.csv", &one), &DataOptions { stride: 10, ..series(10) });
    assert_eq!(apart.len(), 20);
    // Pieces that are too short for a window do not make the windows of the one long piece stand for themselves.
    let runs = (0..30).map(|run| (run % 2, 5)).chain([(2, 60)]);
    let runs: String = runs.flat_map(|(class, rows)| (0..rows).map(move |t| format!("{t},{class}\n"))).collect();
    let data = opened(&folder.write("runs.csv", &format!("up,class\n{runs}")), &series(20));
    let parts = split(&*data, 0.2);
    assert_eq!((data.len(), data.overlap()), (41, 19));
    assert!(parts.train.last().unwrap() + 19 < parts.held_back[0]);
    // Without names, and without a header.
    let bare = opened(&folder.write("b.csv", "1;2\n3;4\n5;6\n"), &series(2));
    let DataSpec::Series(spec) = bare.spec() else { panic!() };
    assert_eq!((bare.len(), &spec.channels[..]), (2, &["x1".to_owned(), "x2".to_owned()][..]));
    let text = String::from_utf8(write::csv::series(&bare.batch(&[1]).unwrap().values, None, spec).unwrap()).unwrap();
    assert_eq!(text, "example,moment,x1,x2\n0,0,3,4\n0,1,5,6\n");
}

#[test]
fn what_is_missing_is_an_error_or_filled_by_a_rule() {
    let folder = Folder::new();
    let text = "a,b\n1,1\n,2\n3,NA\n?,4\n5,6\n";
    let said = folder.refused(text, &series(2));
    assert!(
        said.starts_with("`a.csv`: 3 values are missing, such as that of `a` in line 3 | they are in lines 3, 4, 5;"),
        "{said}"
    );
    let filled = |missing| {
        let data = opened(&folder.write("a.csv", text), &DataOptions { missing, ..series(5) });
        data.batch(&[0]).unwrap().values.values
    };
    assert_eq!(filled(Missing::Previous), [1.0, 1.0, 1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(filled(Missing::Mean), [1.0, 1.0, 3.0, 2.0, 3.0, 3.25, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn what_is_no_table_is_refused() {
    let folder = Folder::new();
    let table = DataOptions::default();
    assert!(folder.refused("", &table).starts_with("`a.csv`: there is no row in it | "));
    assert!(folder.refused("a,b\n", &table).starts_with("`a.csv`: there are names of columns in it, and no rows | "));
    assert!(
        folder.refused("a,b\n1,2\n3\n", &table).starts_with("`a.csv`: line 3 has 1 fields, and the lines before 2 | ")
    );
    assert!(
        folder
            .refused("a,b\n1,2\n3,x\n", &series(2))
            .starts_with("`a.csv`: `x` in column `b` of line 3 is no number | ")
    );
    assert!(folder.refused("a\n1\n2\n", &series(5)).starts_with("`a` has 2 moments, and a window 5 | "));
    assert!(folder.refused("time\n1\n2\n", &series(1)).starts_with("`a.csv`: there is no column of numbers in it | "));
    let many: String = (0..1_500).map(|i| format!("{i}\n")).collect();
    assert!(
        folder.refused(&format!("a\n{many}"), &table).starts_with("column `a` of `a` has 1500 different values | ")
    );
    assert!(
        folder.refused("a\n1\n", &DataOptions { stride: 2, ..table.clone() }).contains("`data.stride` is for series")
    );
    assert!(folder.refused("a\n1\n", &DataOptions { context: 2, ..table }).contains("`data.context` is for text"));
    assert!(folder.refused("at,b\n1700000001,2\n1700000004,3\n", &series(2)).starts_with(
        "`a.csv`: `at` goes from 1700000001 to 1700000004: too far from 0 for such small differences | take"
    ));
    let constant = opened(&folder.write("c.csv", "a,b\n1,2\n1,3\n1,4\n"), &series(2));
    assert!(constant.warnings().iter().any(|warning| warning.starts_with("`a` holds the same number")));
}

#[test]
fn made_up_series_stand_for_themselves() {
    for name in ["sines", "waves", "ar"] {
        let data = open(name, &DataOptions { limit: Some(100), ..DataOptions::default() }).unwrap();
        assert_eq!((data.len(), data.spec().shape(), data.overlap()), (100, vec![24, 5], 0));
        assert_eq!(split(&*data, 0.1).held_back.len(), 10);
        let longer = open(name, &DataOptions { limit: Some(9), window: 30, ..DataOptions::default() }).unwrap();
        assert_eq!(longer.spec().shape(), [30, 5]);
        assert_eq!(data.batch(&[7]).unwrap(), open(name, &DataOptions::default()).unwrap().batch(&[7]).unwrap());
    }
}

#[test]
fn windows_of_a_folder_of_series_reach_over_no_end_of_a_file_and_none_that_is_held_back_is_learnt() {
    let folder = Folder::new();
    fs::create_dir(folder.0.path().join("sensors")).unwrap();
    // Every number is another one.
    let rows = |from: usize| (from..from + 60).map(|i| format!("{i},{}\n", i + 5_000)).collect::<String>();
    for (name, from) in [("b.csv", 1_000), ("a.csv", 0), ("c.csv", 2_000)] {
        folder.write(&format!("sensors/{name}"), &format!("x,y\n{}", rows(from)));
    }
    let path = folder.0.path().join("sensors");
    let data = opened(&path, &series(10));
    assert_eq!((data.len(), data.spec().shape()), (3 * 51, vec![10, 2]));
    let window = |i: usize| data.batch(&[i]).unwrap().values.values;
    for i in 0..data.len() {
        let first = window(i)[0];
        assert!(window(i).chunks(2).enumerate().all(|(t, moment)| moment[0] == first + t as f32), "window {i}");
    }
    let parts = split(&*data, 0.2);
    let again = parts.again(&*data, 0.2);
    let seen = |part: &[usize]| part.iter().flat_map(|i| window(*i)).map(|value| value as i64).collect::<Vec<_>>();
    let [train, choose, judge] = [&again.train, &again.held_back, &parts.held_back].map(|part| seen(part));
    assert!(train.iter().max() < choose.iter().filter(|value| **value >= 5_000).min());
    assert!(!train.is_empty() && choose.iter().all(|value| !train.contains(value)));
    assert!(!judge.is_empty() && judge.iter().all(|value| !train.contains(value) && !choose.contains(value)));
    // As a table, rows of all files.
    assert_eq!(opened(&path, &DataOptions::default()).len(), 180);
    folder.write("sensors/d.csv", "x,z\n1,2\n");
    let said = refusal(&path, &series(10));
    assert!(said.contains("d.csv`: its columns are not those of") && said.contains("the same columns"), "{said}");
}

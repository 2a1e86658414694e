//! Parquet tables as plain columns of text, numbers and bytes: required, nullable or lists.
//!
//! Written uncompressed: the tables are small beside the shards, and so no codec's version can move the bytes.
//!
//! | module | what |
//! |---|---|
//! | `column` | a column: what it is called, what it means, and its values |
//! | `read`, `write` | columns by their names; a table at once, or group by group |
//! | `guard` | panics of the Parquet library as errors |

mod column;
mod guard;
mod read;
mod write;

pub(crate) use column::{Column, Shape};
pub(crate) use guard::guarded;
pub(crate) use read::Table;
pub(crate) use write::{ROW_GROUP_ROWS, TableWriter, write};

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn every_shape_and_type_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        let names = ["Ада", "", "c"];
        let columns = [
            Column::required("name", "", names.into_iter()),
            Column::nullable("score", "", [Some(0.5_f32), None, Some(-1.0)].into_iter()),
            Column::list("box", "", [vec![1.0_f64, 2.0], vec![], vec![3.0]].into_iter()),
            Column::list("reasons", "", [vec![], vec!["a", "b"], vec![""]].into_iter()),
            Column::required("row", "", [7_i64, -1, i64::MAX].into_iter()),
        ];
        write(&path, &columns).unwrap();
        let table = Table::open(&path).unwrap();
        assert_eq!(table.texts("name").unwrap(), [["Ада"], [""], ["c"]]);
        assert_eq!(table.floats("score").unwrap(), [vec![0.5], vec![], vec![-1.0]]);
        assert_eq!(table.doubles("box").unwrap(), [vec![1.0, 2.0], vec![], vec![3.0]]);
        assert_eq!(table.texts("reasons").unwrap(), [vec![], vec!["a", "b"], vec![""]]);
        assert_eq!(table.ints("row").unwrap(), [[7], [-1], [i64::MAX]]);
        assert!(table.ints("nome").unwrap_err().to_string().contains("`nome`"));
        assert!(table.ints("name").unwrap_err().to_string().contains("INT64"));
    }

    #[test]
    fn structs_bytes_and_lists_of_lists_are_read_back_by_the_parquet_crate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        let columns = |pictures: [Vec<u8>; 2], lists: [Vec<f32>; 2]| {
            [
                Column::required("bytes", "", pictures.into_iter()).in_group("image"),
                Column::required("path", "", ["a.jpg", "b.png"].into_iter()).in_group("image"),
                Column::list("joints", "", lists.into_iter()).in_rows_of(3),
            ]
        };
        let none = columns([vec![], vec![]], [vec![], vec![]]);
        let mut writer = TableWriter::create(&path, &none, &[("huggingface", "{}".to_owned())]).unwrap();
        let lists = [vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![]];
        writer.write_group(&columns([vec![0, 255], vec![7]], lists)).unwrap();
        let lists = [vec![7.0, 8.0, 9.0], vec![1.0, 1.0, 1.0]];
        writer.write_group(&columns([vec![1], vec![]], lists)).unwrap();
        writer.finish().unwrap();

        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        assert_eq!(reader.metadata().file_metadata().key_value_metadata().unwrap()[0].key, "huggingface");
        let rows: Vec<String> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(
            rows,
            [
                r#"{image: {bytes: [0, 255], path: "a.jpg"}, joints: [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}"#,
                r#"{image: {bytes: [7], path: "b.png"}, joints: []}"#,
                r#"{image: {bytes: [1], path: "a.jpg"}, joints: [[7.0, 8.0, 9.0]]}"#,
                r#"{image: {bytes: [], path: "b.png"}, joints: [[1.0, 1.0, 1.0]]}"#,
            ]
        );
    }

    #[test]
    fn rows_of_several_row_groups_are_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        let rows = ROW_GROUP_ROWS + 3;
        let lists = (0..rows).map(|i| vec![i as f32; i % 3]);
        write(&path, &[Column::list("l", "", lists.clone())]).unwrap();
        assert_eq!(Table::open(&path).unwrap().floats("l").unwrap(), lists.collect::<Vec<_>>());
    }
}

//! Shards, written and read.

use photo::{Compression, Digest, Joint, Joints, Tensors};

use super::*;

#[test]
fn the_safetensors_crate_reads_what_was_written_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let mut joints = [Joints::default(); 3];
    joints[2].0[16] = Joint { x: 1.5, y: -2.0, confidence: 0.75 };
    let writer = ShardWriter::create(&path, 4, Tensors::Both, Compression::None, &joints).unwrap();
    for row in [2, 0, 1] {
        writer.write(Pixels::Image, row, &[row as u8; 48]).unwrap();
        writer.write(Pixels::Weighted, row, &[100 + row as u8; 48]).unwrap();
    }
    let (bytes, digest) = writer.finish().unwrap();
    let content = std::fs::read(&path).unwrap();
    assert_eq!((bytes, digest), (content.len() as u64, Digest::of(&content)));

    let tensors = safetensors::SafeTensors::deserialize(&content).unwrap();
    let image = tensors.tensor("image").unwrap();
    assert_eq!((image.dtype(), image.shape()), (safetensors::Dtype::U8, &[3, 3, 4, 4][..]));
    assert_eq!((image.data()[47], image.data()[48]), (0, 1));
    assert_eq!(tensors.tensor("weighted").unwrap().data()[2 * 48], 102);
    let confidence = tensors.tensor("confidence").unwrap();
    assert_eq!((confidence.dtype(), confidence.shape()), (safetensors::Dtype::F32, &[3, 17][..]));
    assert_eq!(confidence.data()[50 * 4..], 0.75_f32.to_le_bytes());

    let shard = Shard::open(&path).unwrap();
    let mut view = [0; 48];
    shard.read_pixels(Pixels::Weighted, 1, &mut view).unwrap();
    assert_eq!(view, [101; 48]);
    assert_eq!(shard.read_joints(2).unwrap(), joints[2]);
    assert!(shard.read_joints(3).unwrap_err().to_string().contains("no row 3"));
}

#[test]
fn a_shard_of_one_tensor_holds_that_alone_and_names_the_other() {
    let dir = tempfile::tempdir().unwrap();
    for (tensors, held, other) in [
        (Tensors::Image, Pixels::Image, Pixels::Weighted),
        (Tensors::Weighted, Pixels::Weighted, Pixels::Image),
    ] {
        let path = dir.path().join(format!("{}.safetensors", held.name()));
        let writer =
            ShardWriter::create(&path, 4, tensors, Compression::None, &[Joints::default(); 2]).unwrap();
        writer.write(held, 1, &[7; 48]).unwrap();
        writer.write(other, 1, &[8; 48]).unwrap_err();
        writer.finish().unwrap();
        let content = std::fs::read(&path).unwrap();
        let read = safetensors::SafeTensors::deserialize(&content).unwrap();
        assert_eq!(read.tensor(held.name()).unwrap().data()[47..49], [0, 7]);
        assert!(read.tensor(other.name()).is_err());

        let shard = Shard::open(&path).unwrap();
        assert!(shard.holds(held) && !shard.holds(other));
        let mut view = [0; 48];
        shard.read_pixels(held, 1, &mut view).unwrap();
        assert_eq!(view, [7; 48]);
        let message = shard.read_pixels(other, 1, &mut view).unwrap_err().to_string();
        assert!(message.contains(&format!("holds no {} tensors", other.name())), "{message}");
        assert!(message.contains("`[prepare]`"), "{message}");
    }
}

#[test]
fn a_cut_shard_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    ShardWriter::create(&path, 4, Tensors::Both, Compression::None, &[Joints::default()]).unwrap();
    let content = std::fs::read(&path).unwrap();
    for length in [0, 7, 8, 100, content.len() - 1] {
        std::fs::write(&path, &content[..length]).unwrap();
        assert!(Shard::open(&path).unwrap_err().to_string().contains("a.safetensors"), "{length}");
    }
}

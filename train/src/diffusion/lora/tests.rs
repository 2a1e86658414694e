use super::*;
use std::collections::HashMap as Map;

type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

fn base() -> Result<Weights> {
    let cpu = Device::Cpu;
    let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &cpu);
    let names = [
        ("down_blocks.0.resnets.0.conv1.weight", vec![4, 3, 3, 3]),
        ("down_blocks.0.resnets.1.conv1.weight", vec![4, 4, 3, 3]),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight", vec![4, 4]),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0.weight", vec![4, 4]),
    ];
    let tensors: candle_core::Result<Vec<_>> =
        names.into_iter().map(|(n, s)| Ok((n.to_owned(), ones(&s)?))).collect();
    Ok(Weights::from_tensors("base", tensors?, DType::F32, &cpu))
}

fn file(
    tensors: &[(&str, Tensor)],
) -> std::result::Result<tempfile::NamedTempFile, Box<dyn std::error::Error>> {
    let file = tempfile::NamedTempFile::new()?;
    let map: Map<String, Tensor> = tensors.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
    candle_core::safetensors::save(&map, file.path())?;
    Ok(file)
}

fn random(shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::randn(0f32, 1.0, shape, &Device::Cpu)?)
}

fn assert_close(a: &Tensor, b: &Tensor) -> Result<()> {
    let worst = (a - b)?.abs()?.max_all()?.to_scalar::<f32>()?;
    let largest = b.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(worst < 1e-5 * largest.max(1.0), "{worst} beside {largest}"); // f32 sums round to a share of the largest
    Ok(())
}

const TO_Q: &str = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight";
const CONV: &str = "down_blocks.0.resnets.1.conv1.weight";

#[test]
fn all_layouts_of_an_update_merge_to_the_same_weight() -> TestResult {
    let (down, up) = (random(&[2, 4])?, random(&[4, 2])?);
    let alpha = Tensor::new(1.0f32, &Device::Cpu)?;
    // alpha 1 over rank 2, at scale 0.7; without an alpha it equals the rank.
    let with_alpha = ((up.matmul(&down)? * 0.35)? + 1.0)?;
    let without = ((up.matmul(&down)? * 0.7)? + 1.0)?;
    let kohya = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q";
    let original = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q";
    let dotted = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
    let processor = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora";
    for (module, down_name, up_name, expected) in [
        (kohya, ".lora_down.weight", ".lora_up.weight", &with_alpha),
        (original, ".lora_down.weight", ".lora_up.weight", &with_alpha),
        (dotted, ".lora_A.weight", ".lora_B.weight", &without),
        (dotted, ".lora.down.weight", ".lora.up.weight", &without),
        (processor, ".down.weight", ".up.weight", &without),
    ] {
        let mut tensors =
            vec![(format!("{module}{down_name}"), down.clone()), (format!("{module}{up_name}"), up.clone())];
        if std::ptr::eq(expected, &raw const with_alpha) {
            tensors.push((format!("{module}.alpha"), alpha.clone()));
        }
        let tensors: Vec<_> = tensors.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let merged = Lora::read(file(&tensors)?.path())?.merge(Target::Unet, &base()?, 0.7)?;
        assert_close(&merged.get((4, 4), TO_Q)?, expected)?;
    }
    Ok(())
}

#[test]
fn a_convolution_is_updated_with_and_without_a_middle_factor() -> TestResult {
    let (down, up) = (random(&[2, 4, 3, 3])?, random(&[4, 2, 1, 1])?);
    let module = "lora_unet_down_blocks_0_resnets_1_conv1";
    let names = [format!("{module}.lora_down.weight"), format!("{module}.lora_up.weight")];
    let mid_name = format!("{module}.lora_mid.weight");
    let lora = Lora::read(file(&[(&names[0], down.clone()), (&names[1], up.clone())])?.path())?;
    let merged = lora.merge(Target::Unet, &base()?, 1.0)?.get((4, 4, 3, 3), CONV)?;
    // The update as convolutions: up(down(x)) of a unit impulse is the kernel itself.
    let expected = up.reshape((4, 2))?.matmul(&down.reshape((2, 36))?)?.reshape((4, 4, 3, 3))?;
    assert_close(&(merged - 1.0)?, &expected)?;

    let (down, mid) = (random(&[2, 4, 1, 1])?, random(&[2, 2, 3, 3])?);
    let lora = Lora::read(
        file(&[(&names[0], down.clone()), (&names[1], up.clone()), (&mid_name, mid.clone())])?.path(),
    )?;
    let merged = (lora.merge(Target::Unet, &base()?, 1.0)?.get((4, 4, 3, 3), CONV)? - 1.0)?;
    let x = random(&[1, 4, 5, 5])?;
    let in_steps = x.conv2d(&down, 0, 1, 1, 1)?.conv2d(&mid, 1, 1, 1, 1)?.conv2d(&up, 0, 1, 1, 1)?;
    assert_close(&x.conv2d(&merged, 1, 1, 1, 1)?, &in_steps)?;
    Ok(())
}

#[test]
fn updates_without_a_counterpart_or_of_another_shape_are_all_named() -> TestResult {
    let tensors = [
        ("unet.nowhere.to_q.lora_A.weight", random(&[2, 4])?),
        ("unet.nowhere.to_q.lora_B.weight", random(&[4, 2])?),
        ("unet.down_blocks.0.resnets.1.conv1.lora_A.weight", random(&[2, 5, 3, 3])?),
        ("unet.down_blocks.0.resnets.1.conv1.lora_B.weight", random(&[4, 2, 1, 1])?),
    ];
    let error =
        Lora::read(file(&tensors)?.path())?.merge(Target::Unet, &base()?, 1.0).map_err(|e| e.to_string());
    let Err(message) = error else { panic!("must not merge") };
    assert!(
        message.contains("nowhere.to_q") && message.contains("down_blocks.0.resnets.1.conv1"),
        "{message}"
    );
    let odd = file(&[("unet.a.hada_w1_a", random(&[2, 2])?), ("unet.b.lora_A.weight", random(&[2, 2])?)])?;
    let message = Lora::read(odd.path()).map_err(|e| e.to_string()).err().unwrap_or_default();
    assert!(message.contains("unet.a.hada_w1_a"), "{message}");
    Ok(())
}

#[test]
fn original_names_are_those_of_the_sdxl_unet() {
    // Pairs from the two published layouts of SDXL's UNet.
    let names = [
        "down_blocks.0.resnets.0.conv1.weight",
        "down_blocks.0.resnets.1.conv1.weight",
        "up_blocks.0.attentions.0.proj_in.weight",
        "up_blocks.1.attentions.0.proj_in.weight",
    ];
    let names = original::Names::of(&names.into_iter().collect());
    for (diffusers, original) in [
        ("conv_in", "input_blocks.0.0"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("down_blocks.1.resnets.0.conv_shortcut", "input_blocks.4.0.skip_connection"),
        ("down_blocks.2.attentions.1.proj_out", "input_blocks.8.1.proj_out"),
        ("mid_block.resnets.1.conv2", "middle_block.2.out_layers.3"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("up_blocks.2.resnets.2.time_emb_proj", "output_blocks.8.0.emb_layers.1"),
        ("add_embedding.linear_2", "label_emb.0.2"),
    ] {
        assert_eq!(names.of_module(diffusers).as_deref(), Some(original), "{diffusers}");
    }
}

//! Every operation of `grad` against central differences of itself in f64, with an input that has two consumers, and
//! against the same function composed of Candle's operators, in f32.

use candle_core::{DType, Device, Tensor, Var};
use train::error::Result;
use train::grad::{self, composed};

/// Reproducible values in [−1, 1) that look random (a linear congruential generator, Knuth's MMIX constants).
pub(crate) fn values(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| next()).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// A scalar of `y` in which every element has another weight.
fn mixed(y: &Tensor) -> Result<Tensor> {
    Ok((y * values(y.dims(), 99)?.to_dtype(y.dtype())?)?.sum_all()?)
}

fn norm(x: &Tensor) -> Result<f64> {
    Ok(x.to_dtype(DType::F64)?.sqr()?.sum_all()?.sqrt()?.to_scalar()?)
}

/// ‖found − expected‖ / ‖expected‖.
pub(crate) fn apart(found: &Tensor, expected: &Tensor) -> Result<f64> {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (found.to_dtype(DType::F64)?, expected.to_dtype(DType::F64)?);
    Ok(norm(&(found - &expected)?)? / norm(&expected)?.max(1e-30))
}

pub(crate) type Function<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// The loss: the function's result mixed, and each argument's square besides, so that every argument has two consumers.
fn loss(function: Function<'_>, arguments: &[Tensor]) -> Result<Tensor> {
    let mut loss = mixed(&function(arguments)?)?;
    for argument in arguments {
        loss = (loss + (argument.sqr()?.sum_all()? * 0.5)?)?;
    }
    Ok(loss)
}

fn gradients(function: Function<'_>, arguments: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
    let vars = arguments.iter().map(Var::from_tensor).collect::<std::result::Result<Vec<_>, _>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let loss = loss(function, &tensors)?;
    let grads = loss.backward()?;
    // The pass that trainings run gives the same as Candle's, but for the order in which it adds up several uses.
    let rounding = if loss.dtype() == DType::F64 { 1e-12 } else { 1e-6 };
    let trained = grad::backward(&loss)?;
    for var in &vars {
        let [own, candles] = [&trained, &grads].map(|of| of.get(var).expect("a gradient for every argument"));
        assert!(apart(own, candles)? <= rounding, "{:?}", var.dims());
    }
    let found = vars.iter().map(|v| grads.get(v).cloned().expect("a gradient for every argument"));
    Ok((loss, found.collect()))
}

/// Gradients in f64 against central differences along random directions and along single elements: of the
/// kernels, and of what runs on a device that has none.
fn agrees_with_differences(name: &str, function: Function<'_>, shapes: &[&[usize]]) -> Result<()> {
    agrees_one_way(name, function, shapes)?;
    grad::composed_only(|| agrees_one_way(&format!("{name}, composed"), function, shapes))
}

fn agrees_one_way(name: &str, function: Function<'_>, shapes: &[&[usize]]) -> Result<()> {
    let arguments = shapes.iter().zip(1..).map(|(s, i)| values(s, i)).collect::<Result<Vec<_>>>()?;
    let (_, grads) = gradients(function, &arguments)?;
    let step = 1e-5;
    for (i, grad) in grads.iter().enumerate() {
        let count = grad.elem_count();
        let single = |at: usize| -> Result<Tensor> {
            let mut direction = vec![0f64; count];
            direction[at] = 1.0;
            Ok(Tensor::from_vec(direction, grad.dims(), &Device::Cpu)?)
        };
        let mut directions = vec![values(grad.dims(), 1000)?, values(grad.dims(), 1001)?];
        for at in [0, count / 3, count / 2, count - 1] {
            directions.push(single(at)?);
        }
        for direction in directions {
            let at = |sign: f64| -> Result<f64> {
                let mut moved = arguments.clone();
                moved[i] = (&moved[i] + (&direction * (sign * step))?)?;
                Ok(loss(function, &moved)?.to_scalar()?)
            };
            let quotient = (at(1.0)? - at(-1.0)?) / (2.0 * step);
            let found: f64 = (grad * &direction)?.sum_all()?.to_scalar()?;
            let scale = quotient.abs().max(1e-2);
            assert!(
                (found - quotient).abs() <= 1e-3 * scale,
                "{name}, argument {i}: gradient {found}, difference quotient {quotient}"
            );
        }
    }
    Ok(())
}

/// Results and gradients in f32 against the composed function in f64.
pub(crate) fn agrees_with_composed(
    name: &str,
    function: Function<'_>,
    reference: Function<'_>,
    shapes: &[&[usize]],
) -> Result<()> {
    let arguments = shapes.iter().zip(1..).map(|(s, i)| values(s, i)).collect::<Result<Vec<_>>>()?;
    let narrow = arguments.iter().map(|t| t.to_dtype(DType::F32)).collect::<candle_core::Result<Vec<_>>>()?;
    let y = apart(&function(&narrow)?, &reference(&arguments)?)?;
    assert!(y <= 2e-5, "{name}: result apart by {y:.1e}");
    let (_, found) = gradients(function, &narrow)?;
    let (_, expected) = gradients(reference, &arguments)?;
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let apart = apart(found, expected)?;
        assert!(apart <= 2e-5, "{name}: gradient of argument {i} apart by {apart:.1e}");
    }
    Ok(())
}

/// Both comparisons, each function over its own shapes.
pub(crate) fn holds(
    name: &str,
    function: Function<'_>,
    reference: Function<'_>,
    shapes: &[&[usize]],
) -> Result<()> {
    agrees_with_differences(name, function, shapes)?;
    agrees_with_composed(name, function, reference, shapes)
}

#[test]
fn the_activations_have_their_derivatives() -> Result<()> {
    for shape in [&[3, 50][..], &[20_000]] {
        holds("silu", &|x| grad::silu(&(&x[0] * 4.0)?), &|x| composed::silu(&(&x[0] * 4.0)?), &[shape])?;
        holds("gelu", &|x| grad::gelu(&(&x[0] * 4.0)?), &|x| composed::gelu(&(&x[0] * 4.0)?), &[shape])?;
    }
    holds("geglu", &|x| grad::geglu(&x[0]), &|x| composed::geglu(&x[0]), &[&[2, 5, 34]])
}

#[test]
fn softmax_has_its_derivative() -> Result<()> {
    holds("softmax", &|x| grad::softmax(&x[0]), &|x| composed::softmax(&x[0]), &[&[2, 3, 41]])
}

#[test]
fn the_normalisations_have_their_derivatives() -> Result<()> {
    let layer = |x: &[Tensor]| grad::layer_norm(&x[0], &x[1], &x[2], 1e-5);
    let reference = |x: &[Tensor]| composed::layer_norm(&x[0], &x[1], &x[2], 1e-5);
    holds("layer_norm", &layer, &reference, &[&[2, 7, 45], &[45], &[45]])?;
    let shapes: [&[usize]; 3] = [&[2, 12, 5, 7], &[12], &[12]];
    let group = |x: &[Tensor]| grad::group_norm(&x[0], 3, &x[1], &x[2], 1e-5);
    let reference = |x: &[Tensor]| composed::group_norm(&x[0], 3, &x[1], &x[2], 1e-5);
    holds("group_norm", &group, &reference, &shapes)?;
    let group = |x: &[Tensor]| grad::group_norm_silu(&x[0], 3, &x[1], &x[2], 1e-5);
    let reference = |x: &[Tensor]| composed::group_norm_silu(&x[0], 3, &x[1], &x[2], 1e-5);
    holds("group_norm_silu", &group, &reference, &shapes)
}

#[test]
fn upsampling_adds_up_with_a_second_consumer() -> Result<()> {
    let twice = |x: &[Tensor]| Ok((grad::upsample_nearest2x(&x[0])? + grad::upsample_nearest2x(&x[0])?)?);
    let reference =
        |x: &[Tensor]| Ok((composed::upsample_nearest2x(&x[0])? + composed::upsample_nearest2x(&x[0])?)?);
    holds("upsample_nearest2x", &twice, &reference, &[&[2, 3, 4, 5]])
}

#[test]
fn transposing_takes_gradients_back_to_their_places() -> Result<()> {
    for shape in [&[2, 5, 3][..], &[1, 37, 50]] {
        holds("transpose", &|x| grad::transpose(&x[0]), &|x| composed::transpose(&x[0]), &[shape])?;
    }
    Ok(())
}

#[test]
fn attention_has_its_derivative_by_queries_keys_and_values() -> Result<()> {
    let shapes: [&[usize]; 3] = [&[2, 3, 37, 8], &[2, 3, 21, 8], &[2, 3, 21, 5]];
    for mask in [None, Some([1, 1, 37, 21]), Some([2, 3, 37, 21]), Some([2, 1, 1, 21])] {
        let mask = mask.map(|dims| values(&dims, 7)).transpose()?;
        let function = |x: &[Tensor]| grad::attention(&x[0], &x[1], &x[2], 0.4, mask.as_ref());
        let reference = |x: &[Tensor]| composed::attention(&x[0], &x[1], &x[2], 0.4, mask.as_ref());
        holds("attention", &function, &reference, &shapes)?;
    }
    for (n, m, runs) in [(33, 33, vec![33]), (16, 29, vec![21, 4, 4])] {
        let shapes: [&[usize]; 3] = [&[2, n, 24], &[2, m, 24], &[2, m, 24]];
        let function = |x: &[Tensor]| grad::attention_heads(&x[0], &x[1], &x[2], 3, 0.35, &runs);
        let reference = |x: &[Tensor]| composed::attention_heads(&x[0], &x[1], &x[2], 3, 0.35, &runs);
        holds("attention_heads", &function, &reference, &shapes)?;
    }
    Ok(())
}

#[test]
fn attention_over_many_tiles_equals_attention_at_once() -> Result<()> {
    // 700 queries on 700 keys are several tiles of rows.
    let shapes: [&[usize]; 3] = [&[1, 700, 16]; 3];
    let function = |x: &[Tensor]| grad::attention_heads(&x[0], &x[1], &x[2], 1, 0.3, &[700]);
    let reference = |x: &[Tensor]| composed::attention_heads(&x[0], &x[1], &x[2], 1, 0.3, &[700]);
    agrees_with_composed("attention_heads", &function, &reference, &shapes)
}

#[test]
fn a_masked_score_has_no_weight() -> Result<()> {
    let [q, k, v] =
        [1, 2, 3].map(|seed| values(&[1, 1, 4, 8], seed).and_then(|t| Ok(t.to_dtype(DType::F32)?)));
    let mask: Vec<f32> = (0..16).map(|i| if i % 4 > i / 4 { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (1, 1, 4, 4), &Device::Cpu)?;
    let v = v?;
    let y = grad::attention(&q?, &k?, &v, 1.0, Some(&mask))?;
    let first = (y.narrow(2, 0, 1)? - v.narrow(2, 0, 1)?)?;
    assert!(norm(&first)? <= 1e-6, "the first token sees itself alone");
    Ok(())
}

/// Input and weight of linear layers: small; few rows, and more outputs than a task takes; a product that
/// threads share by blocks of rows and columns, and by columns alone; one of many rows.
const LINEARS: [(&[usize], [usize; 2]); 5] = [
    (&[2, 9, 23], [11, 23]),
    (&[3, 23], [300, 23]),
    (&[70, 96], [200, 96]),
    (&[70, 96], [400, 96]),
    (&[1100, 24], [20, 24]),
];

#[test]
fn linear_layers_have_their_derivatives_with_frozen_and_with_trained_weights() -> Result<()> {
    for (x, w) in LINEARS {
        let (weight, bias) = (values(&w, 50)?, values(&w[..1], 51)?);
        let at = |x: &Tensor| -> Result<[Tensor; 2]> {
            Ok([weight.to_dtype(x.dtype())?, bias.to_dtype(x.dtype())?])
        };
        let frozen = |x: &[Tensor]| {
            let [weight, bias] = at(&x[0])?;
            grad::linear(&x[0], &weight, Some(&bias))
        };
        let reference = |x: &[Tensor]| composed::linear(&x[0], &weight, Some(&bias));
        holds(&format!("linear {x:?} by {w:?}, frozen"), &frozen, &reference, &[x])?;
        let trained = |x: &[Tensor]| grad::linear(&x[0], &x[1], Some(&x[2]));
        let reference = |x: &[Tensor]| composed::linear(&x[0], &x[1], Some(&x[2]));
        holds(&format!("linear {x:?} by {w:?}, trained"), &trained, &reference, &[x, &w, &w[..1]])?;
        let bare = |x: &[Tensor]| grad::linear(&x[0], &x[1], None);
        let reference = |x: &[Tensor]| composed::linear(&x[0], &x[1], None);
        holds(&format!("linear {x:?} by {w:?} without bias"), &bare, &reference, &[x, &w])?;
    }
    Ok(())
}

#[test]
fn gradients_of_trained_weights_have_the_same_bytes_on_any_number_of_threads() -> Result<()> {
    let run = || -> Result<Vec<Vec<f32>>> {
        let mut all = Vec::new();
        let mut of = |function: Function<'_>, shapes: &[&[usize]]| -> Result<()> {
            let narrow = |(shape, seed): (&&[usize], u64)| Ok(values(shape, seed)?.to_dtype(DType::F32)?);
            let arguments = shapes.iter().zip(1..).map(narrow).collect::<Result<Vec<Tensor>>>()?;
            let (_, found) = gradients(function, &arguments)?;
            all.extend(
                found
                    .iter()
                    .map(|grad| grad.flatten_all()?.to_vec1())
                    .collect::<candle_core::Result<Vec<_>>>()?,
            );
            Ok(())
        };
        for (x, w) in LINEARS {
            of(&|x| grad::linear(&x[0], &x[1], Some(&x[2])), &[x, &w, &w[..1]])?;
        }
        for (x, w, stride, padding) in CONVOLUTIONS {
            of(&|x| grad::conv2d(&x[0], &x[1], Some(&x[2]), stride, padding), &[&x, &w, &w[..1]])?;
        }
        Ok(all)
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let (one, three) = (on(1).install(run)?, on(3).install(run)?);
    for (i, (one, three)) in one.iter().zip(&three).enumerate() {
        assert!(one.iter().zip(three).all(|(a, b)| a.to_bits() == b.to_bits()), "gradient {i}");
    }
    Ok(())
}

/// Input, weight, stride, padding: small and odd; strided; pointwise; unpadded; two that are large enough for
/// tiles of 2 and of 4, with edges that do not fill a tile; a wide kernel, one wider than high, one that is
/// narrower than its padding; and as many channels as the body-VAE's decoder has.
const CONVOLUTIONS: [([usize; 4], [usize; 4], usize, usize); 13] = [
    ([2, 3, 6, 5], [4, 3, 3, 3], 1, 1),
    ([2, 3, 7, 8], [4, 3, 3, 3], 2, 1),
    ([1, 3, 9, 9], [4, 3, 3, 3], 2, 0),
    ([2, 5, 4, 6], [3, 5, 1, 1], 1, 0),
    ([1, 2, 8, 8], [3, 2, 4, 4], 4, 0),
    ([2, 17, 9, 10], [19, 17, 3, 3], 1, 1),
    ([1, 18, 30, 27], [16, 18, 3, 3], 1, 1),
    ([3, 16, 17, 18], [21, 16, 3, 3], 1, 1),
    ([2, 3, 9, 8], [4, 3, 5, 5], 1, 2),
    ([2, 3, 7, 9], [4, 3, 3, 5], 1, 1),
    ([2, 3, 6, 5], [4, 3, 3, 1], 1, 1),
    ([2, 5, 9, 7], [4, 5, 3, 3], 1, 0),
    ([2, 33, 16, 16], [64, 33, 3, 3], 1, 1),
];

#[test]
fn convolutions_have_their_derivatives_with_frozen_and_with_trained_weights() -> Result<()> {
    for (x, w, stride, padding) in CONVOLUTIONS {
        let name = format!("conv2d {x:?} by {w:?}, stride {stride}, padding {padding}");
        let (weight, bias) = (values(&w, 50)?, values(&[x[0], w[0]], 51)?);
        let frozen = |x: &[Tensor]| {
            let dtype = x[0].dtype();
            let (weight, bias) = (weight.to_dtype(dtype)?, bias.to_dtype(dtype)?);
            grad::conv2d(&x[0], &weight, Some(&bias), stride, padding)
        };
        let reference = |x: &[Tensor]| composed::conv2d(&x[0], &weight, Some(&bias), stride, padding);
        holds(&name, &frozen, &reference, &[&x])?;
        let trained = |x: &[Tensor]| grad::conv2d(&x[0], &x[1], Some(&x[2]), stride, padding);
        let reference = |x: &[Tensor]| composed::conv2d(&x[0], &x[1], Some(&x[2]), stride, padding);
        holds(&name, &trained, &reference, &[&x, &w, &[w[0]]])?;
        let bare = |x: &[Tensor]| grad::conv2d(&x[0], &x[1], None, stride, padding);
        agrees_with_differences(&name, &bare, &[&x, &w])?;
    }
    Ok(())
}

#[test]
fn a_kernel_wider_than_high_and_padding_beyond_it_have_their_derivatives_without_kernels() -> Result<()> {
    for (x, w, stride, padding) in [
        ([1, 2, 5, 6], [3, 2, 1, 3], 1, 0),
        ([2, 1, 4, 5], [2, 1, 2, 2], 1, 3),
        ([1, 2, 7, 6], [2, 2, 3, 2], 2, 1),
        ([1, 1, 6, 6], [1, 1, 2, 2], 3, 2),
    ] {
        let name = format!("conv2d {x:?} by {w:?}, stride {stride}, padding {padding}");
        let trained = |x: &[Tensor]| composed::conv2d(&x[0], &x[1], None, stride, padding);
        agrees_one_way(&name, &trained, &[&x, &w])?;
        let weight = values(&w, 50)?;
        let frozen = |x: &[Tensor]| composed::conv2d(&x[0], &weight, None, stride, padding);
        agrees_one_way(&name, &frozen, &[&x])?;
    }
    Ok(())
}

#[test]
fn half_types_sum_in_f32_where_nothing_has_kernels() -> Result<()> {
    // 20,000 of 1/128: bf16 stops adding at 2, as 1/128 is less than half of what it can tell from there.
    let part = Tensor::full(0.007_812_5f32, (20_000, 1), &Device::Cpu)?;
    let weight = Tensor::ones((1, 1), DType::F32, &Device::Cpu)?;
    let bias = Var::from_tensor(&Tensor::zeros(1, DType::F32, &Device::Cpu)?)?;
    let y = grad::linear(&part.to_dtype(DType::BF16)?, &weight, Some(&bias))?;
    assert_eq!(y.dtype(), DType::BF16);
    let upstream = (&y * part.to_dtype(DType::BF16)?)?.to_dtype(DType::F32)?.sum_all()?;
    let found = grad::backward(&upstream)?;
    let of_bias = found.get(&bias).expect("a gradient");
    assert_eq!((of_bias.dtype(), of_bias.to_vec1::<f32>()?), (DType::F32, vec![156.25]));
    Ok(())
}

#[test]
fn half_precision_weights_are_used_as_their_values() -> Result<()> {
    let half = |dims: &[usize], seed| -> Result<Tensor> { Ok(values(dims, seed)?.to_dtype(DType::F16)?) };
    let x = values(&[2, 16, 20, 20], 1)?.to_dtype(DType::F32)?;
    for (weight, padding) in [(half(&[17, 16, 3, 3], 2)?, 1), (half(&[5, 16, 1, 1], 3)?, 0)] {
        let run = |weight: &Tensor| -> Result<(Tensor, Vec<Tensor>)> {
            gradients(&|x| grad::conv2d(&x[0], weight, None, 1, padding), std::slice::from_ref(&x))
        };
        let ((y, dx), (expected_y, expected)) = (run(&weight)?, run(&weight.to_dtype(DType::F32)?)?);
        assert!(apart(&y, &expected_y)? <= 1e-6 && apart(&dx[0], &expected[0])? <= 1e-6);
    }
    let (x, weight) = (values(&[3, 31], 1)?.to_dtype(DType::F32)?, half(&[7, 31], 2)?);
    let run = |weight: &Tensor| gradients(&|x| grad::linear(&x[0], weight, None), std::slice::from_ref(&x));
    let ((y, dx), (expected_y, expected)) = (run(&weight)?, run(&weight.to_dtype(DType::F32)?)?);
    assert!(apart(&y, &expected_y)? <= 1e-6 && apart(&dx[0], &expected[0])? <= 1e-6);
    Ok(())
}

#[test]
fn a_frozen_weight_gets_no_gradient() -> Result<()> {
    frozen_weights_get_none()?;
    grad::composed_only(frozen_weights_get_none)
}

fn frozen_weights_get_none() -> Result<()> {
    let x = Var::from_tensor(&values(&[1, 16, 16, 16], 1)?.to_dtype(DType::F32)?)?;
    let (weight, bias) =
        (values(&[16, 16, 3, 3], 2)?.to_dtype(DType::F32)?, Tensor::zeros(16, DType::F32, &Device::Cpu)?);
    let scale = Tensor::ones(16, DType::F32, &Device::Cpu)?;
    let y = grad::group_norm_silu(&grad::conv2d(&x, &weight, Some(&bias), 1, 1)?, 4, &scale, &bias, 1e-5)?;
    let rows = grad::layer_norm(
        &grad::linear(
            &y.flatten_from(2)?.transpose(1, 2)?,
            &weight.narrow(2, 0, 1)?.narrow(3, 0, 1)?.reshape((16, 16))?,
            None,
        )?,
        &scale,
        &bias,
        1e-5,
    )?;
    let grads = rows.sqr()?.sum_all()?.backward()?;
    assert!(grads.get(&x).is_some());
    for frozen in [&weight, &bias, &scale] {
        assert!(grads.get(frozen).is_none());
    }
    Ok(())
}

#[test]
fn a_checkpointed_part_has_the_same_gradients() -> Result<()> {
    // Five inputs, of which one is an inner node, one is used twice, and one is frozen.
    let part = |x: &[Tensor]| -> Result<Tensor> {
        let hidden = grad::silu(&grad::linear(&x[0], &x[1], Some(&x[2]))?)?;
        let hidden = grad::layer_norm(&hidden, &x[3], &x[2], 1e-5)?;
        Ok((hidden * &x[4])?)
    };
    let frozen = values(&[4, 6], 9)?;
    let whole = |x: &[Tensor], checkpointed: bool| -> Result<Tensor> {
        let first = grad::gelu(&x[0])?;
        let frozen = frozen.to_dtype(first.dtype())?;
        let inputs = [&first, &x[1], &x[2], &x[3], &frozen];
        let y =
            if checkpointed { grad::checkpoint(&inputs, part)? } else { part(&inputs.map(Tensor::clone))? };
        Ok(y.broadcast_mul(&x[3])?)
    };
    let (again, kept) = (|x: &[Tensor]| whole(x, true), |x: &[Tensor]| whole(x, false));
    let shapes: [&[usize]; 4] = [&[4, 5], &[6, 5], &[6], &[6]];
    agrees_with_differences("checkpoint", &again, &shapes)?;
    agrees_with_composed("checkpoint", &again, &kept, &shapes)
}

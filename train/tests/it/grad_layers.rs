//! The operations that take whole layers, as `grad.rs` has the single ones.

use candle_core::{DType, Device, Tensor, Var};
use train::error::Result;
use train::grad::{self, LayerWeights, composed};

use crate::grad::{agrees_with_composed, apart, holds, values};

const HEADS: usize = 2;
const WIDTH: usize = 8;
const WIDE: usize = 12;

/// The shapes of a layer's parameters, as [`weights`] takes them.
const PARAMETERS: [&[usize]; 16] = [
    &[WIDTH],
    &[WIDTH],
    &[WIDTH, WIDTH],
    &[WIDTH],
    &[WIDTH, WIDTH],
    &[WIDTH],
    &[WIDTH, WIDTH],
    &[WIDTH],
    &[WIDTH, WIDTH],
    &[WIDTH],
    &[WIDTH],
    &[WIDTH],
    &[WIDE, WIDTH],
    &[WIDE],
    &[WIDTH, WIDE],
    &[WIDTH],
];

fn weights(parameters: &[Tensor]) -> LayerWeights {
    let pair = |i: usize| [parameters[2 * i].clone(), parameters[2 * i + 1].clone()];
    LayerWeights {
        norm: pair(0),
        query: pair(1),
        key: pair(2),
        value: pair(3),
        out: pair(4),
        feed_norm: pair(5),
        widen: pair(6),
        narrow: pair(7),
        heads: HEADS,
        eps: 1e-5,
    }
}

/// Numbers added to scores, every fifth of which hides a key.
fn mask(shape: &[usize], dtype: DType) -> Result<Tensor> {
    let random: Vec<f64> = values(shape, 7)?.flatten_all()?.to_vec1()?;
    let hidden = random.iter().enumerate().map(|(i, value)| if i % 5 == 4 { -1e4 } else { *value });
    Ok(Tensor::from_vec(hidden.collect::<Vec<f64>>(), shape, &Device::Cpu)?.to_dtype(dtype)?)
}

#[test]
fn a_layer_of_self_attention_has_its_derivatives() -> Result<()> {
    // The second has more rows than a task takes.
    for (entries, rows) in [(3, 5), (60, 9)] {
        let of_rows = [entries, rows, WIDTH];
        let shapes: Vec<&[usize]> = [&of_rows[..]].into_iter().chain(PARAMETERS).collect();
        let function = |x: &[Tensor]| {
            grad::attention_layer(&x[0], &mask(&[entries, rows], x[0].dtype())?, &weights(&x[1..]))
        };
        let reference = |x: &[Tensor]| {
            composed::attention_layer(&x[0], &mask(&[entries, rows], x[0].dtype())?, &weights(&x[1..]))
        };
        if entries == 3 {
            holds("attention_layer", &function, &reference, &shapes)?;
        } else {
            agrees_with_composed("attention_layer", &function, &reference, &shapes)?;
        }
    }
    Ok(())
}

#[test]
fn a_layer_of_cross_attention_has_its_derivatives() -> Result<()> {
    // More entries than a task takes.
    let (entries, rows, others) = (6, 3, 7);
    let (of_rows, of_others) = ([entries, rows, WIDTH], [entries, others, WIDTH]);
    let shapes: Vec<&[usize]> = [&of_rows[..], &of_others].into_iter().chain(PARAMETERS).collect();
    let at = |x: &[Tensor]| mask(&[entries, rows, others], x[0].dtype());
    let function = |x: &[Tensor]| grad::cross_attention_layer(&x[0], &x[1], &at(x)?, &weights(&x[2..]));
    let reference = |x: &[Tensor]| composed::cross_attention_layer(&x[0], &x[1], &at(x)?, &weights(&x[2..]));
    holds("cross_attention_layer", &function, &reference, &shapes)?;
    // The same others, each entry's in seven parts.
    let of_parts = [entries * others, 1, WIDTH];
    let shapes: Vec<&[usize]> = [&of_rows[..], &of_parts].into_iter().chain(PARAMETERS).collect();
    let reference = |x: &[Tensor]| {
        composed::cross_attention_layer(&x[0], &x[1].reshape(&of_others[..])?, &at(x)?, &weights(&x[2..]))
    };
    holds("cross_attention_layer of parts", &function, &reference, &shapes)
}

#[test]
fn maps_and_sums_by_place_have_their_derivatives() -> Result<()> {
    let function = |x: &[Tensor]| grad::linear_by_place(&x[0], &x[1]);
    let reference = |x: &[Tensor]| composed::linear_by_place(&x[0], &x[1]);
    holds("linear_by_place", &function, &reference, &[&[35, 4, 5], &[4, 5, 3]])?;
    let function = |x: &[Tensor]| grad::weighted_sum(&x[0], &x[1]);
    let reference = |x: &[Tensor]| composed::weighted_sum(&x[0], &x[1]);
    holds("weighted_sum", &function, &reference, &[&[3, 4, 5], &[3, 4]])?;
    // One place is read twice, one not at all.
    let maps = |x: &[Tensor]| [(0..2, [x[1].clone(), x[2].clone()]), (1..4, [x[3].clone(), x[4].clone()])];
    let function = |x: &[Tensor]| {
        let maps = maps(x);
        grad::linear_of_spans(&x[0], &maps.each_ref().map(|(span, [w, b])| (span.clone(), [w, b])))
    };
    let reference = |x: &[Tensor]| {
        let maps = maps(x);
        composed::linear_of_spans(&x[0], &maps.each_ref().map(|(span, [w, b])| (span.clone(), [w, b])))
    };
    holds("linear_of_spans", &function, &reference, &[&[35, 5, 6], &[2, 6], &[2], &[3, 6], &[3]])?;
    let function = |x: &[Tensor]| grad::assemble(&[&x[0], &x[1], &x[2]], &x[3], &x[4]);
    let reference = |x: &[Tensor]| composed::assemble(&[&x[0], &x[1], &x[2]], &x[3], &x[4]);
    holds("assemble", &function, &reference, &[&[3, 2, 4], &[3, 1, 4], &[3, 1, 4], &[3, 4], &[1, 4, 4]])
}

#[test]
fn evidence_and_the_bounded_exponential_have_their_derivatives() -> Result<()> {
    // More dimensions than one logarithm takes; precisions of 1 and more.
    let precise = |x: &Tensor| Ok::<_, train::Error>((x.sqr()? * 3.0)?.affine(1.0, 1.0)?);
    let function = |x: &[Tensor]| grad::evidence([&precise(&x[0])?, &x[1]], [&precise(&x[2])?, &x[3]]);
    let reference = |x: &[Tensor]| composed::evidence([&precise(&x[0])?, &x[1]], [&precise(&x[2])?, &x[3]]);
    holds("evidence", &function, &reference, &[&[3, 300], &[3, 300], &[2, 300], &[2, 300]])?;
    let function = |x: &[Tensor]| grad::exp_within(&(&x[0] * 6.0)?, 3.0);
    let reference = |x: &[Tensor]| composed::exp_within(&(&x[0] * 6.0)?, 3.0);
    holds("exp_within", &function, &reference, &[&[3, 50]])?;
    let far = Tensor::new(&[-1e30f32, -200.0, 0.0, 200.0, 1e30], &Device::Cpu)?;
    let found: Vec<f32> = grad::exp_within(&far, 3.0)?.to_vec1()?;
    let (low, high) = ((-3f32).exp(), 3f32.exp());
    for (found, expected) in found.iter().zip([low, low, 1.0, high, high]) {
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    }
    Ok(())
}

#[test]
fn bytes_are_pooled_as_the_numbers_they_stand_for() -> Result<()> {
    let bytes: Vec<u8> = (0..3 * 5 * 16).map(|i| (i * 37 % 256) as u8).collect();
    let maps = Tensor::from_vec(bytes, (3, 5, 4, 4), &Device::Cpu)?;
    let weights = values(&[3, 2, 16], 1)?.to_dtype(DType::F32)?;
    let found = grad::pool_bytes(&maps, &weights, 2.0 / 255.0, -1.0)?;
    let expected = composed::pool_bytes(&maps, &weights.to_dtype(DType::F64)?, 2.0 / 255.0, -1.0)?;
    assert!(apart(&found, &expected)? <= 1e-6);
    Ok(())
}

#[test]
fn a_variable_gets_the_sum_of_what_all_its_uses_give() -> Result<()> {
    // Twice by an operation of `grad`, once by one of Candle's.
    let loss = |w: &Tensor| -> Result<Tensor> {
        let x = values(&[4, 6], 1)?;
        let y = grad::linear(&grad::gelu(&grad::linear(&x, w, None)?)?, w, None)?;
        Ok((y.sqr()?.sum_all()? + w.sqr()?.sum_all()?)?)
    };
    let w = Var::from_tensor(&values(&[6, 6], 2)?)?;
    let (by_candle, by_us) = (loss(&w)?.backward()?, grad::backward(&loss(&w)?)?);
    let of = |gradients: &candle_core::backprop::GradStore| gradients.get(&w).cloned().expect("a gradient");
    assert!(apart(&of(&by_us), &of(&by_candle))? <= 1e-12);
    Ok(())
}

#[test]
fn layers_give_the_same_bytes_on_any_number_of_threads() -> Result<()> {
    let single = |shape: &[usize], seed| -> Result<Tensor> { Ok(values(shape, seed)?.to_dtype(DType::F32)?) };
    let run = || -> Result<Vec<Vec<f32>>> {
        let shapes: Vec<&[usize]> =
            [&[90, 9, WIDTH][..], &[30, 27, WIDTH]].into_iter().chain(PARAMETERS).collect();
        let tensors = shapes.iter().zip(1..).map(|(shape, seed)| single(shape, seed));
        let vars: Vec<Var> = tensors.map(|tensor| Ok(Var::from_tensor(&tensor?)?)).collect::<Result<_>>()?;
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let weights = weights(&tensors[2..]);
        let among = grad::attention_layer(&tensors[0], &mask(&[90, 9], DType::F32)?, &weights)?;
        let rows = among.narrow(1, 0, 1)?.reshape((30, 3, WIDTH))?;
        let over =
            grad::cross_attention_layer(&rows, &tensors[1], &mask(&[30, 3, 27], DType::F32)?, &weights)?;
        let gradients = grad::backward(&over.sqr()?.sum_all()?)?;
        let gradients = vars.iter().map(|var| gradients.get(var).cloned().expect("a gradient"));
        [over].into_iter().chain(gradients).map(|tensor| Ok(tensor.flatten_all()?.to_vec1()?)).collect()
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    assert!(on(1).install(run)? == on(3).install(run)?);
    Ok(())
}

#[test]
fn a_kept_weight_gives_the_bytes_of_one_that_is_transformed_each_time() -> Result<()> {
    let cache = grad::WeightCache::default();
    for dtype in [DType::F32, DType::F64] {
        let weight = values(&[24, 16, 3, 3], 1)?.to_dtype(dtype)?;
        for (shape, seed) in [([1, 16, 8, 8], 2), ([2, 16, 16, 16], 3), ([1, 16, 8, 8], 4)] {
            let run = |cache: Option<&grad::WeightCache>| -> Result<[Tensor; 2]> {
                let x = Var::from_tensor(&values(&shape, seed)?.to_dtype(dtype)?)?;
                let y = match cache {
                    Some(cache) => grad::conv2d_cached(&x, &weight, None, 1, 1, cache)?,
                    None => grad::conv2d(&x, &weight, None, 1, 1)?,
                };
                let gradients = grad::backward(&y.sqr()?.sum_all()?)?;
                Ok([y, gradients.get(&x).cloned().expect("a gradient")])
            };
            let (fresh, cached) = (run(None)?, run(Some(&cache))?);
            for (fresh, cached) in fresh.iter().zip(&cached) {
                let [fresh, cached] =
                    [fresh, cached].map(|of| of.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>());
                assert!(fresh? == cached?, "{dtype:?} {shape:?}");
            }
        }
    }
    Ok(())
}

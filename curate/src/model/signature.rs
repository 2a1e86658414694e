//! The inputs and outputs of a loaded file, against the contract of its role.

use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

use super::contract::{Contract, fits, shown};
use super::registry::ModelEntry;

/// An input or output that does not fit.
pub(super) struct ContractViolation {
    /// Which, by its name.
    pub what: String,
    pub expected: String,
    pub found: String,
}

/// The batch that the input fixes, where it fixes one; or what does not fit.
pub(super) fn batch(
    entry: &ModelEntry,
    contract: &Contract,
    session: &Session,
) -> Result<Option<usize>, ContractViolation> {
    let [width, height] = entry.input_size;
    let expected = format!("one input f32 [n,3,{height},{width}]");
    let [input] = session.inputs() else {
        let found = format!("{} inputs", session.inputs().len());
        return Err(ContractViolation { what: "the input".to_owned(), expected, found });
    };
    let wanted = [None, Some(3), Some(height as usize), Some(width as usize)];
    let Some(dimensions) = float_dimensions(input).filter(|dimensions| fits(dimensions, &wanted)) else {
        return Err(ContractViolation { what: named("input", input), expected, found: described(input) });
    };
    let expected = format!("f32 {}", contract.output);
    let Some(output) = session.outputs().first() else {
        return Err(ContractViolation {
            what: "the output".to_owned(),
            expected,
            found: "missing".to_owned(),
        });
    };
    let wanted: Vec<_> = std::iter::once(None).chain(contract.output_dimensions.iter().copied()).collect();
    if !float_dimensions(output).is_some_and(|dimensions| fits(dimensions, &wanted)) {
        return Err(ContractViolation { what: named("output", output), expected, found: described(output) });
    }
    Ok(usize::try_from(dimensions[0]).ok().filter(|&batch| batch > 0))
}

/// The dimensions of the first input, as far as they are fixed: `[n, 3, height, width]`.
pub(super) fn input_dimensions(session: &Session) -> Option<Vec<i64>> {
    session.inputs().first().and_then(float_dimensions).map(<[i64]>::to_vec)
}

fn float_dimensions(outlet: &Outlet) -> Option<&[i64]> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => Some(shape),
        _ => None,
    }
}

fn named(kind: &str, outlet: &Outlet) -> String {
    format!("the {kind} `{}`", outlet.name())
}

fn described(outlet: &Outlet) -> String {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => format!("f32 {}", shown(shape)),
        ValueType::Tensor { ty, shape, .. } => format!("{ty} {}", shown(shape)),
        other => format!("{other:?}"),
    }
}

//! Coordinate transformations, composed as far as they are affine.
//!
//! Specification: OME-NGFF 0.4 to 0.6 (RFC-5), <https://ngff.openmicroscopy.org/specifications/>.

use super::node::show;
use serde_json::{Map, Value};

/// An affine map from `inputs` coordinates: a row for each output, with a factor for each input and a last number that is
/// added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    pub(super) inputs: usize,
    pub(super) rows: Vec<Vec<f64>>,
}

/// A composed transformation, or in words why it is not affine.
pub(super) type Composed = Result<Affine, String>;

/// How deep sequences, bijections and transformations by dimension may be nested.
const DEPTH: usize = 8;

impl Affine {
    pub(super) fn identity(n: usize) -> Self {
        Self::linear(n, n, |row, column| f64::from(u8::from(row == column)))
    }

    fn linear(outputs: usize, inputs: usize, factor: impl Fn(usize, usize) -> f64) -> Self {
        let row = |r: usize| (0..=inputs).map(|c| if c == inputs { 0.0 } else { factor(r, c) }).collect();
        Self { inputs, rows: (0..outputs).map(row).collect() }
    }

    /// This map, followed by another one.
    fn then(&self, next: &Self) -> Result<Self, String> {
        if next.inputs != self.rows.len() {
            return Err(format!("takes {} coordinates where there are {}", next.inputs, self.rows.len()));
        }
        let row = |factors: &Vec<f64>| {
            (0..=self.inputs)
                .map(|c| {
                    let shift = if c == self.inputs { factors[next.inputs] } else { 0.0 };
                    factors.iter().zip(&self.rows).map(|(f, row)| f * row[c]).sum::<f64>() + shift
                })
                .collect()
        };
        Ok(Self { inputs: self.inputs, rows: next.rows.iter().map(row).collect() })
    }
}

/// `so_far`, followed by each transformation of a list in turn.
///
/// # Errors
/// If one is not written as the specification has it.
pub(super) fn follow(so_far: Composed, list: &[Value]) -> Result<Composed, String> {
    let mut composed = so_far;
    for value in list {
        let Value::Object(transform) = value else {
            return Err(format!(
                "coordinateTransformations holds {}, which should be an object",
                show(Some(value))
            ));
        };
        composed = then(composed, transform, 0)?;
    }
    Ok(composed)
}

fn then(so_far: Composed, transform: &Map<String, Value>, depth: usize) -> Result<Composed, String> {
    let Ok(affine) = so_far else { return Ok(so_far) };
    let next = match one(transform, affine.rows.len(), depth)? {
        Ok(next) => next,
        Err(reason) => return Ok(Err(reason)),
    };
    let kind = transform.get("type").and_then(Value::as_str).unwrap_or_default();
    Ok(affine.then(&next).map_err(|e| format!("of type \"{kind}\" {e}")))
}

/// One transformation of `n` coordinates.
fn one(transform: &Map<String, Value>, n: usize, depth: usize) -> Result<Composed, String> {
    let kind = transform.get("type").and_then(Value::as_str).unwrap_or("none");
    let misfit = || Ok(Err(format!("of type \"{kind}\" doesn't fit {n} axes")));
    if depth > DEPTH {
        return Ok(Err(format!("of type \"{kind}\" is nested too deeply")));
    }
    match kind {
        "identity" => Ok(Ok(Affine::identity(n))),
        "scale" | "translation" | "rotation" | "affine" if !transform.contains_key(kind) => {
            Ok(Err(format!("of type \"{kind}\" has its numbers elsewhere")))
        }
        "scale" | "translation" => {
            let values = numbers(transform, kind, n)?;
            let mut affine = Affine::identity(n);
            for (a, value) in values.into_iter().enumerate() {
                affine.rows[a][if kind == "scale" { a } else { n }] = value;
            }
            Ok(Ok(affine))
        }
        "rotation" | "affine" => {
            let rows = matrix(transform, kind)?;
            let columns = if kind == "affine" { n + 1 } else { n };
            if rows.iter().any(|row| row.len() != columns) || (kind == "rotation" && rows.len() != n) {
                return misfit();
            }
            let mut affine = Affine { inputs: n, rows };
            affine.rows.iter_mut().for_each(|row| row.resize(n + 1, 0.0));
            Ok(Ok(affine))
        }
        "mapAxis" => match indices(transform.get("mapAxis"), n) {
            Some(from) if from.len() == n => {
                Ok(Ok(Affine::linear(n, n, |row, column| f64::from(u8::from(from[row] == column)))))
            }
            _ => misfit(),
        },
        "projectAxis" => {
            Ok(project(transform, n).ok_or_else(|| format!("of type \"{kind}\" doesn't fit {n} axes")))
        }
        "sequence" => {
            let mut composed = Ok(Affine::identity(n));
            for value in transform.get("transformations").and_then(Value::as_array).into_iter().flatten() {
                let Value::Object(inner) = value else { return misfit() };
                composed = then(composed, inner, depth + 1)?;
            }
            Ok(composed)
        }
        "bijection" => match transform.get("forward") {
            Some(Value::Object(forward)) => one(forward, n, depth + 1),
            _ => misfit(),
        },
        "byDimension" => by_dimension(transform, n, depth),
        kind => Ok(Err(format!("of type \"{kind}\" is not affine"))),
    }
}

/// Outputs of which each is made of some of the inputs.
fn by_dimension(transform: &Map<String, Value>, n: usize, depth: usize) -> Result<Composed, String> {
    let misfit = || Ok(Err(format!("of type \"byDimension\" doesn't fit {n} axes")));
    let mut rows: Vec<Option<Vec<f64>>> = Vec::new();
    for value in transform.get("transformations").and_then(Value::as_array).into_iter().flatten() {
        let (Some(inputs), Some(outputs), Some(Value::Object(inner))) = (
            indices(value.get("inputAxes"), n),
            indices(value.get("outputAxes"), 16),
            value.get("transformation"),
        ) else {
            return misfit();
        };
        let affine = match one(inner, inputs.len(), depth + 1)? {
            Ok(affine) => affine,
            Err(reason) => return Ok(Err(reason)),
        };
        if affine.rows.len() != outputs.len() {
            return misfit();
        }
        for (row, output) in affine.rows.iter().zip(outputs) {
            let mut spread = vec![0.0; n + 1];
            spread[n] = row[inputs.len()];
            inputs.iter().zip(row).for_each(|(input, factor)| spread[*input] = *factor);
            rows.resize(rows.len().max(output + 1), None);
            if rows[output].replace(spread).is_some() {
                return misfit();
            }
        }
    }
    match rows.into_iter().collect::<Option<Vec<_>>>() {
        Some(rows) if !rows.is_empty() => Ok(Ok(Affine { inputs: n, rows })),
        _ => misfit(),
    }
}

/// Inputs that are dropped, and outputs that are always 0.
fn project(transform: &Map<String, Value>, n: usize) -> Option<Affine> {
    let none = Value::Array(Vec::new());
    let dropped = indices(transform.get("droppedInputs").or(Some(&none)), n)?;
    let created = indices(transform.get("createdOutputs").or(Some(&none)), 16)?;
    let mut kept = (0..n).filter(|i| !dropped.contains(i));
    let count = n - dropped.len() + created.len();
    if created.iter().any(|c| *c >= count) {
        return None;
    }
    let from: Vec<Option<usize>> =
        (0..count).map(|output| if created.contains(&output) { None } else { kept.next() }).collect();
    Some(Affine::linear(count, n, |row, column| f64::from(u8::from(from[row] == Some(column)))))
}

/// Different indices below `n`.
fn indices(list: Option<&Value>, n: usize) -> Option<Vec<usize>> {
    let list: Vec<usize> =
        list?.as_array()?.iter().map(|v| v.as_u64().map(|v| v as usize)).collect::<Option<_>>()?;
    let different = list.iter().enumerate().all(|(i, v)| *v < n && !list[..i].contains(v));
    different.then_some(list)
}

fn matrix(transform: &Map<String, Value>, kind: &str) -> Result<Vec<Vec<f64>>, String> {
    let number = |v: &Value| v.as_f64().filter(|v| v.is_finite());
    let row = |row: &Value| row.as_array()?.iter().map(number).collect::<Option<Vec<_>>>();
    let rows = transform.get(kind).and_then(Value::as_array);
    rows.and_then(|rows| rows.iter().map(row).collect::<Option<Vec<_>>>())
        .ok_or_else(|| format!("{kind} {} should be rows of finite numbers", show(transform.get(kind))))
}

fn numbers(transform: &Map<String, Value>, kind: &str, n: usize) -> Result<Vec<f64>, String> {
    let Some(Value::Array(values)) = transform.get(kind) else {
        return Err(format!("{kind} should be a list, not {}", show(transform.get(kind))));
    };
    if values.len() != n {
        return Err(format!("{kind} has {} numbers for {n} axes", values.len()));
    }
    values
        .iter()
        .map(|v| v.as_f64().filter(|v| v.is_finite() && (kind != "scale" || *v != 0.0)))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| format!("{kind} {} should be finite numbers", show(transform.get(kind))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn composed(list: Value, n: usize) -> Composed {
        follow(Ok(Affine::identity(n)), list.as_array().unwrap()).unwrap()
    }

    fn rows(list: Value, n: usize) -> Vec<Vec<f64>> {
        composed(list, n).unwrap().rows
    }

    #[test]
    fn transformations_are_what_the_specification_says() {
        // x = (i + 0.1) * 2, y = (j + 0.9) * 3: the example of sequences.
        let sequence = json!([{"type": "sequence", "transformations": [
            {"type": "translation", "translation": [0.5, 1.0]}, {"type": "scale", "scale": [2, 3]}]}]);
        assert_eq!(rows(sequence, 2), [[2.0, 0.0, 1.0], [0.0, 3.0, 3.0]]);
        assert_eq!(
            rows(json!([{"type": "mapAxis", "mapAxis": [1, 0]}]), 2),
            [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
        );
        assert_eq!(
            rows(json!([{"type": "affine", "affine": [[1, 2, 3], [4, 5, 6]]}]), 2),
            [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        );
        assert_eq!(
            rows(
                json!([{"type": "rotation", "rotation": [[0, -1], [1, 0]]}, {"type": "scale", "scale": [2, 3]}]),
                2
            ),
            [[0.0, -2.0, 0.0], [3.0, 0.0, 0.0]]
        );
        // The second example of transformations by dimension, and that of new axes.
        let by = json!([{"type": "byDimension", "transformations": [
            {"transformation": {"type": "translation", "translation": [0.5, 1.5]}, "inputAxes": [3, 2],
             "outputAxes": [1, 2]},
            {"transformation": {"type": "scale", "scale": [2]}, "inputAxes": [1], "outputAxes": [0]}]}]);
        assert_eq!(
            rows(by, 4),
            [[0.0, 2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.5], [0.0, 0.0, 1.0, 0.0, 1.5]]
        );
        let project = json!([{"type": "projectAxis", "createdOutputs": [0], "droppedInputs": [1]}]);
        assert_eq!(rows(project, 3), [[0.0; 4], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
        let bijection = json!([{"type": "bijection", "forward": {"type": "scale", "scale": [2]},
            "inverse": {"type": "scale", "scale": [0.5]}}]);
        assert_eq!(rows(bijection, 1), [[2.0, 0.0]]);
    }

    #[test]
    fn what_is_not_affine_says_so() {
        for (list, said) in [
            (json!([{"type": "displacements", "path": "d"}]), "of type \"displacements\" is not affine"),
            (json!([{"type": "affine", "path": "d"}]), "has its numbers elsewhere"),
            (json!([{"type": "mapAxis", "mapAxis": [0, 0]}]), "doesn't fit 2 axes"),
            (json!([{"type": "affine", "affine": [[1, 2]]}]), "doesn't fit 2 axes"),
            (
                json!([{"type": "byDimension", "transformations": [{"transformation": {"type": "coordinates", "path": "c"},
                "inputAxes": [0], "outputAxes": [0]}]}]),
                "of type \"coordinates\" is not affine",
            ),
            (json!([{"type": "sequence", "transformations": [{"type": "warp"}]}]), "\"warp\" is not affine"),
        ] {
            let reason = composed(list, 2).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
        for list in [
            json!([{"type": "scale", "scale": [1]}]),
            json!([{"type": "scale", "scale": [0, 1]}]),
            json!([3]),
        ] {
            assert!(follow(Ok(Affine::identity(2)), list.as_array().unwrap()).is_err());
        }
    }
}

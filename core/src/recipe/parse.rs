//! From TOML to a [`Recipe`]. Every error names the line and suggests the nearest right name.

use super::{Recipe, Step};
use crate::error::suggestion;
use crate::program::Value;
use crate::{Error, Result, ops};
use std::collections::BTreeMap;
use toml::de::DeTable;

/// Keys at the top of a recipe. `provenance` is what a run adds; it says nothing about the steps.
const TOP: [&str; 3] = ["title", "step", "provenance"];

impl Recipe {
    /// Parses a recipe.
    ///
    /// # Errors
    /// [`Error::Recipe`] with the line, for broken TOML, unknown operators or parameters, wrong
    /// types, units or ranges.
    pub fn parse(text: &str) -> Result<Self> {
        let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
        let broken = |e: &toml::de::Error| {
            wrong(e.span().map(|s| line_of(s.start)), format!("not valid TOML: {}", e.message()))
        };
        let spans = DeTable::parse(text).map_err(|e| broken(&e))?;
        let values: toml::Table = toml::from_str(text).map_err(|e| broken(&e))?;
        for key in spans.get_ref().keys() {
            let name = key.get_ref().as_ref();
            if !TOP.contains(&name) {
                let reason = format!("unknown key \"{name}\"{}", suggestion(name, TOP));
                return Err(wrong(Some(line_of(key.span().start)), reason));
            }
        }
        let title = match values.get("title") {
            Some(toml::Value::String(title)) => Some(title.clone()),
            Some(other) => {
                let line = spans.get_ref().iter().find(|(k, _)| k.get_ref() == "title");
                let line = line.map(|(key, _)| line_of(key.span().start));
                return Err(wrong(line, format!("title = {other} is not text in quotes")));
            }
            None => None,
        };
        let empty = || wrong(None, "there are no steps; each begins with [[step]]");
        let tables = spans.get_ref().get("step").and_then(|s| s.get_ref().as_array()).ok_or_else(empty)?;
        let contents = values.get("step").and_then(|s| s.as_array()).ok_or_else(empty)?;
        let mut steps = Vec::with_capacity(contents.len());
        for (table, content) in tables.iter().zip(contents) {
            let line = line_of(table.span().start);
            let (Some(keys), Some(content)) = (table.get_ref().as_table(), content.as_table()) else {
                return Err(wrong(Some(line), "a step is a table: it begins with [[step]]"));
            };
            let lines: BTreeMap<String, usize> =
                keys.keys().map(|k| (k.get_ref().to_string(), line_of(k.span().start))).collect();
            steps.push(parse_step(content, line, &lines)?);
        }
        if steps.is_empty() {
            return Err(empty());
        }
        Ok(Self { title, steps })
    }
}

fn wrong(line: Option<usize>, reason: impl Into<String>) -> Error {
    Error::recipe(line, reason)
}

fn parse_step(content: &toml::Table, line: usize, lines: &BTreeMap<String, usize>) -> Result<Step> {
    let at = |key: &str| lines.get(key).copied().or(Some(line));
    let id = match content.get("op") {
        Some(toml::Value::String(id)) => id,
        Some(other) => return Err(wrong(at("op"), format!("op = {other} is not a name in quotes"))),
        None => return Err(wrong(Some(line), "this step has no op = \"…\"")),
    };
    let op = ops::find(id).ok_or_else(|| {
        let known = suggestion(id, ops::OPERATORS.iter().map(|o| o.spec().id));
        wrong(at("op"), format!("unknown operator \"{id}\"{known}"))
    })?;
    let spec = op.spec();
    let mut step = Step::new(op, BTreeMap::new());
    step.line = Some(line);
    for (key, value) in content {
        let text = || {
            let reason = format!("{key} = {value} is not a name in quotes");
            value.as_str().map(str::to_owned).ok_or_else(|| wrong(at(key), reason))
        };
        if key == "op" {
            continue;
        }
        if key == "name" {
            step.name = Some(text()?);
        } else if let Some(input) =
            spec.inputs.iter().enumerate().find(|(i, s)| s.name == key || *i == 0 && key == "input")
        {
            step.inputs.insert(input.1.name, text()?);
            step.lines.extend(at(key).map(|line| (input.1.name, line)));
        } else if let Some(param) = spec.param(&key.replace('-', "_")) {
            let value = Value::from_toml(&param.ty, value)
                .map_err(|reason| wrong(at(key), format!("{} of {id}: {reason}", param.name)))?;
            step.given.insert(param.name, value);
            step.lines.extend(at(key).map(|line| (param.name, line)));
        } else {
            let names = spec.params.iter().map(|p| p.name).chain(spec.inputs.iter().map(|i| i.name));
            let known = suggestion(key, names.clone());
            let all = if known.is_empty() {
                format!("; it takes {}", names.collect::<Vec<_>>().join(", "))
            } else {
                known
            };
            return Err(wrong(at(key), format!("{id} has no parameter \"{key}\"{all}")));
        }
    }
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text =
            "title = \"Pores\"\n\n[[step]]\nop = \"threshold\"\nname = \"dark\"\nmin = 1.0\nmax = 64.5\n";
        let recipe = Recipe::parse(text).unwrap();
        assert_eq!(recipe.steps.len(), 1);
        assert_eq!(recipe.to_toml(), text);
    }

    #[test]
    fn errors_name_the_line_and_the_nearest_right_name() {
        let check = |text: &str, expected: &str| {
            let error = Recipe::parse(text).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.exit_code(), 2);
        };
        check(
            "[[step]]\n\nop = \"treshold\"\n",
            "recipe, line 3: unknown operator \"treshold\"; did you mean \"threshold\"?",
        );
        check(
            "[[step]]\nop = \"threshold\"\nmn = 3\n",
            "recipe, line 3: threshold has no parameter \"mn\"; did you mean \"min\"?",
        );
        check(
            "[[step]]\nop = \"threshold\"\nmin = \"3\"\n",
            "recipe, line 3: min of threshold: \"3\" is not a number",
        );
        check("\ntitle = 3\n[[step]]\nop = \"otsu\"\n", "recipe, line 2: title = 3 is not text in quotes");
        check("steps = 3", "recipe, line 1: unknown key \"steps\"; did you mean \"step\"?");
        check("", "recipe: there are no steps; each begins with [[step]]");
    }
}

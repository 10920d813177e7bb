//! Numbers and sentences for people.

/// Number with four significant digits.
pub fn short(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return format!("{v}");
    }
    let magnitude = v.abs().log10().floor();
    if !(-4.0..6.0).contains(&magnitude) {
        return format!("{v:.3e}");
    }
    let digits = (3.0 - magnitude).max(0.0) as usize;
    let text = format!("{v:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Number with a physical unit.
pub fn with_unit(v: f64, unit: &str) -> String {
    if unit.is_empty() { short(v) } else { format!("{} {unit}", short(v)) }
}

/// p-value: "p = 0.0146", "p = 2.1e-16".
pub fn p_value(p: f64) -> String {
    if p == 0.0 {
        "p < 1e-300".to_owned()
    } else if p < 0.001 {
        format!("p = {p:.1e}")
    } else if p < 0.1 {
        format!("p = {}", format!("{p:.4}").trim_end_matches('0'))
    } else {
        format!("p = {p:.2}")
    }
}

/// Number of things in words.
pub fn counted(n: usize, one: &str) -> String {
    match one {
        _ if n == 1 => format!("1 {one}"),
        "row" | "sample" | "animal" | "pair" | "unit" | "replicate" | "mouse" if one != "mouse" => {
            format!("{n} {one}s")
        }
        _ => format!("{n} units of {one}"),
    }
}

/// List of names: "a, b and c".
pub fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (v, want) in [
            (9.98697, "9.987"),
            (1386.27, "1386"),
            (0.0, "0"),
            (-0.00012345, "-0.0001234"),
            (2.5e9, "2.500e9"),
            (100.0, "100"),
        ] {
            assert_eq!(short(v), want);
        }
        assert_eq!(p_value(0.014638), "p = 0.0146");
        assert_eq!(p_value(0.26951), "p = 0.27");
        assert_eq!(p_value(2.1453e-16), "p = 2.1e-16");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(counted(6, "sample"), "6 samples");
    }
}

//! How an operator is declared.

/// The declaration of an operator.
#[derive(Debug)]
pub struct Spec {
    /// Name in recipes and on the command line, such as `fill-holes`.
    pub id: &'static str,
    /// The heading it is listed under.
    pub group: Group,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Method, published source, behaviour at the border and for NaN, exactness across blocks.
    pub details: &'static str,
    /// Images it takes. The first is the previous step's result unless the recipe says otherwise.
    pub inputs: &'static [Input],
    /// What it makes.
    pub output: Produces,
    /// Parameters.
    pub params: &'static [Param],
}

impl Spec {
    /// The declaration of a parameter.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|p| p.name == name)
    }
}

/// Headings under which operators are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Group {
    Filter,
    Grid,
    Threshold,
    Morphology,
    Objects,
    Measure,
}

impl Group {
    /// All headings in order.
    pub const ALL: [Self; 6] =
        [Self::Filter, Self::Grid, Self::Threshold, Self::Morphology, Self::Objects, Self::Measure];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Filter => "Filters",
            Self::Grid => "Grid and intensity",
            Self::Threshold => "Thresholds",
            Self::Morphology => "Morphology",
            Self::Objects => "Objects",
            Self::Measure => "Measurements",
        }
    }
}

/// What a volume means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Intensities, of any voxel type.
    Grey,
    /// A binary mask: `u8`, 0 outside and 1 inside.
    Mask,
    /// Object numbers: `u32`, 0 for background.
    Labels,
}

impl Kind {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grey => "grey image",
            Self::Mask => "mask",
            Self::Labels => "labels",
        }
    }

    /// The word on the command line and in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Mask => "mask",
            Self::Labels => "labels",
        }
    }
}

/// The words for kinds on the command line and in records.
pub const KIND_WORDS: [&str; 4] = ["grey", "intensity", "mask", "labels"];

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "grey" | "intensity" => Ok(Self::Grey),
            "mask" => Ok(Self::Mask),
            "labels" => Ok(Self::Labels),
            _ => Err(format!("\"{word}\" is not one of {}", KIND_WORDS.join(", "))),
        }
    }
}

/// An input image of an operator.
#[derive(Debug)]
pub struct Input {
    /// Name in recipes; the first is usually `input`.
    pub name: &'static str,
    /// Which kinds it takes. A mask or labels also serve where grey is taken (as `u8` or `u32`);
    /// labels serve where a mask is taken if `Labels` is listed too.
    pub kinds: &'static [Kind],
    /// Whether it may be left out.
    pub optional: bool,
    /// What it is for.
    pub help: &'static str,
}

/// What an operator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produces {
    /// An image of the same kind as the first input.
    Same,
    /// An image of this kind.
    Image(Kind),
    /// Tables of measurements.
    Tables,
    /// A surface mesh.
    Mesh,
}

/// A parameter of an operator.
#[derive(Debug)]
pub struct Param {
    /// Name in recipes and, with `-` for `_`, on the command line.
    pub name: &'static str,
    /// What values it takes.
    pub ty: ParamType,
    /// What it is if it isn't given.
    pub default: Default,
    /// One sentence.
    pub help: &'static str,
}

/// The value of a parameter that isn't given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It must be given.
    Required,
    /// It may be absent; `help` says what that means.
    Absent,
    /// As written on the command line.
    Value(&'static str),
}

/// The type and range of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParamType {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A number.
    Float {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// A length in voxels (`2`) or physical (`"3 um"`); one for all axes or three (`z, y, x`).
    /// A physical length becomes another number of voxels on each axis if the spacing differs.
    Length {
        /// Least value, in voxels.
        min: f64,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// A list of numbers.
    Numbers,
    /// A list of words.
    Words,
}

impl ParamType {
    /// What is expected, in a sentence: "a number ≥ 0".
    pub fn expected(&self) -> String {
        match self {
            Self::Bool | Self::Text => self.describe(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            _ => format!("a {}", self.describe()),
        }
    }

    /// What to write, for help texts.
    pub fn describe(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Int { min, max } => match (*min, *max) {
                (i64::MIN, i64::MAX) => "whole number".into(),
                (min, i64::MAX) => format!("whole number ≥ {min}"),
                (min, max) => format!("whole number {min}…{max}"),
            },
            Self::Float { min, max } => match (min.is_finite(), max.is_finite()) {
                (true, false) if *min == f64::MIN_POSITIVE => "number > 0".into(),
                (true, true) if *min == f64::MIN_POSITIVE => format!("number > 0 and ≤ {max}"),
                (true, true) => format!("number {min}…{max}"),
                (true, false) => format!("number ≥ {min}"),
                _ => "number".into(),
            },
            Self::Length { .. } => "length in voxels, or like \"3 um\"; one, or three for z, y, x".into(),
            Self::Choice(words) => words.join(" | "),
            Self::Text => "text".into(),
            Self::Numbers => "list of numbers".into(),
            Self::Words => "list of names".into(),
        }
    }
}

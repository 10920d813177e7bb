//! What a filter sees beyond the ends of the image.

use crate::program::{Default, Param, ParamType};

/// How the image goes on beyond its ends. The names are those of `scipy.ndimage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// `a a a | a b c d | d d d`
    Nearest,
    /// `c b a | a b c d | d c b`
    Reflect,
    /// `d c b | a b c d | c b a`
    Mirror,
}

/// The parameter that chooses a border.
pub const BORDER: Param = Param {
    name: "border",
    ty: ParamType::Choice(&["nearest", "reflect", "mirror"]),
    default: Default::Value("nearest"),
    help: "How the image goes on beyond its ends: the end voxel (nearest), or turned back with it (reflect) or without it (mirror), named as in scipy.",
};

impl Border {
    /// The border of that name; [`BORDER`] lets no other through.
    pub fn named(name: &str) -> Self {
        match name {
            "reflect" => Self::Reflect,
            "mirror" => Self::Mirror,
            _ => Self::Nearest,
        }
    }

    /// The index inside `0..n` that stands for index `i`; `n` is at least 1.
    pub fn index(self, i: isize, n: usize) -> usize {
        let n = n as isize;
        if (0..n).contains(&i) {
            return i as usize;
        }
        let turned = match self {
            Self::Nearest => i.clamp(0, n - 1),
            Self::Reflect => {
                let k = i.rem_euclid(2 * n);
                k.min(2 * n - 1 - k)
            }
            Self::Mirror if n == 1 => 0,
            Self::Mirror => {
                let k = i.rem_euclid(2 * n - 2);
                k.min(2 * n - 2 - k)
            }
        };
        turned as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_those_of_scipy() {
        let check = |border: Border, n: usize, expected: &[usize]| {
            let seen: Vec<_> = (-4..n as isize + 4).map(|i| border.index(i, n)).collect();
            assert_eq!(seen, expected, "{border:?} of {n}");
        };
        check(Border::Nearest, 3, &[0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]);
        check(Border::Reflect, 3, &[2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
        check(Border::Mirror, 3, &[0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        for border in [Border::Nearest, Border::Reflect, Border::Mirror] {
            check(border, 1, &[0; 9]);
        }
    }
}

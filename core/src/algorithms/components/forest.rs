//! A disjoint-set forest whose roots are the least of their trees.

/// A range of a forest of `u32` items; parents never exceed their children.
pub struct Forest<'a> {
    base: u32,
    parent: &'a mut [u32],
}

impl<'a> Forest<'a> {
    /// The items `base..base + parent.len()`, all of whose trees lie in that range.
    pub fn new(base: u32, parent: &'a mut [u32]) -> Self {
        Self { base, parent }
    }

    #[inline(always)]
    fn get(&self, item: u32) -> u32 {
        self.parent[(item - self.base) as usize]
    }

    #[inline(always)]
    fn set(&mut self, item: u32, parent: u32) {
        self.parent[(item - self.base) as usize] = parent;
    }

    /// Unites two trees (Rem's algorithm with splicing): the walk climbs from whichever item has
    /// the greater parent and hangs it lower on the way.
    #[inline]
    pub fn unite(&mut self, mut a: u32, mut b: u32) {
        let (mut pa, mut pb) = (self.get(a), self.get(b));
        while pa != pb {
            if pa < pb {
                std::mem::swap(&mut a, &mut b);
                std::mem::swap(&mut pa, &mut pb);
            }
            // Here pa > pb: hang `a` on the lower parent.
            self.set(a, pb);
            if a == pa {
                return;
            }
            a = pa;
            pa = self.get(a);
        }
    }

    /// The least item of a tree.
    pub fn root(&self, mut item: u32) -> u32 {
        loop {
            let parent = self.get(item);
            if parent == item {
                return item;
            }
            item = parent;
        }
    }
}

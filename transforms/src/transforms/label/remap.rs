//! `label.remap`: other numbers for structures.

use voxprep_core::prelude::*;

/// Gives structures of label maps other numbers, or merges them.
///
/// # Notes
/// Labels stay integers. Where a new number does not fit the stored type, the type becomes the
/// narrowest that holds all numbers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remap {
    /// The new number of each listed label.
    pub map: BTreeMap<i32, i32>,
    /// The new number of every label that is not listed; by default it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<i32>,
}

impl Params for Remap {
    fn check(&self) -> Result<()> {
        if self.map.is_empty() && self.other.is_none() {
            return Err(Error::parameter("maps nothing").field("map"));
        }
        Ok(())
    }
}

/// The values an element type holds.
fn range(element_type: ElementType) -> (i64, i64) {
    match element_type {
        ElementType::U8 => (0, 255),
        ElementType::I16 => (-32_768, 32_767),
        ElementType::U16 => (0, 65_535),
        _ => (i64::from(i32::MIN), i64::from(i32::MAX)),
    }
}

impl Remap {
    /// The stored type where it holds the new numbers, else the narrowest that holds all.
    fn output(&self, stored: ElementType) -> Output {
        let new = self.map.values().copied().chain(self.other).map(i64::from);
        let (low, high) = new.fold((0, 0), |(low, high), v| (low.min(v), high.max(v)));
        let (stored_low, stored_high) = range(stored);
        if low >= stored_low && high <= stored_high {
            return Output::Keep;
        }
        let (low, high) = match self.other {
            Some(_) => (low, high),
            None => (low.min(stored_low), high.max(stored_high)),
        };
        let holds = |t: &ElementType| range(*t).0 <= low && high <= range(*t).1;
        let types = [ElementType::U8, ElementType::I16, ElementType::U16];
        Output::As(types.into_iter().find(holds).unwrap_or(ElementType::I32))
    }
}

impl Pointwise for Remap {
    fn resolve(&self, input: &Input<'_>, _: &mut Stream) -> Result<Curve> {
        let map = self
            .map
            .iter()
            .map(|(&old, &new)| (i64::from(old), i64::from(new)));
        let table = Table {
            map: map.collect(),
            other: self.other.map(i64::from),
        };
        Ok(Curve::table(table).output(self.output(input.header().element_type)))
    }
}

register!(Remap: Pointwise on Label, "label.remap", "map = { 1 = 1, 2 = 1, 4 = 3 }");

#[cfg(test)]
mod tests {
    use super::*;

    fn remap(map: &[(i32, i32)], other: Option<i32>) -> Remap {
        Remap {
            map: map.iter().copied().collect(),
            other,
        }
    }

    #[test]
    fn the_type_grows_only_where_a_new_number_does_not_fit() {
        let u8 = ElementType::U8;
        assert_eq!(remap(&[(4, 3)], None).output(u8), Output::Keep);
        assert_eq!(
            remap(&[(4, 300)], None).output(u8),
            Output::As(ElementType::I16)
        );
        assert_eq!(
            remap(&[(4, 40_000)], None).output(u8),
            Output::As(ElementType::U16)
        );
        // kept labels may be negative
        let i16 = ElementType::I16;
        assert_eq!(
            remap(&[(4, 40_000)], None).output(i16),
            Output::As(ElementType::I32)
        );
        assert_eq!(
            remap(&[(4, 40_000)], Some(0)).output(i16),
            Output::As(ElementType::U16)
        );
    }
}

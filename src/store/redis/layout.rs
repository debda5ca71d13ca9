//! The layout of what is kept in Redis: its number, and which versions may share it.
//!
//! `ct:meta` names the newest layout that was written and the oldest that is still understood. A version that begins to
//! write a newer one raises the number; versions before it go on beside it as long as theirs is not below the oldest.

use std::fmt;

/// A layout, as `layout=2 layout_min=1 partitions=256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// The newest that is written.
    number: u32,
    /// The oldest that may still write.
    oldest: u32,
    /// Partitions of all keys; never changes.
    partitions: u32,
}

/// What this version writes. Raise `number` when a field or a key changes its meaning, `oldest` one release later.
pub(super) const OURS: Layout = Layout {
    number: 1,
    oldest: 1,
    partitions: 256,
};

/// What becomes of a server that holds another layout.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Both may go on.
    Share,
    /// It is to be marked with this: the newer of each number.
    Raise(Layout),
    /// This version must not write there; why, and what to do.
    Refuse(String),
}

impl Layout {
    /// What to do with a server where this text was found.
    pub(super) fn meet(self, found: &str) -> Agreement {
        let Some(theirs) = Self::parse(found) else {
            return Agreement::Refuse(format!(
                "'{found}' is no layout of this program; use another TRACKER_REDIS_PREFIX"
            ));
        };
        let advice = if theirs.partitions != self.partitions {
            "the number of partitions differs; use another TRACKER_REDIS_PREFIX"
        } else if self.number < theirs.oldest {
            "a newer version has been at work that this one does not understand; start a newer version"
        } else if theirs.number < self.oldest {
            "this version does not understand it any more; run the versions between the two first, one after another"
        } else {
            // Each number by itself: a release that only contracts writes the layout of the one before.
            let both = Self {
                number: self.number.max(theirs.number),
                oldest: self.oldest.max(theirs.oldest),
                ..self
            };
            return if both == theirs {
                Agreement::Share
            } else {
                Agreement::Raise(both)
            };
        };
        Agreement::Refuse(format!("it holds '{theirs}', this version '{self}': {advice}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut values = text.split(' ').map(|word| word.split_once('='));
        let mut value = |wanted: &str| {
            let (name, value) = values.next()??;
            (name == wanted).then(|| value.parse().ok())?
        };
        Some(Self {
            number: value("layout")?,
            oldest: value("layout_min")?,
            partitions: value("partitions")?,
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            oldest,
            partitions,
        } = self;
        write!(f, "layout={number} layout_min={oldest} partitions={partitions}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn of(number: u32, oldest: u32) -> Layout {
        Layout {
            number,
            oldest,
            partitions: 256,
        }
    }

    #[test]
    fn a_version_and_the_next_share_one_server_whoever_comes_first() {
        let (old, new) = (of(1, 1), of(2, 1));
        assert_eq!(new.meet(&old.to_string()), Agreement::Raise(new));
        assert_eq!(old.meet(&new.to_string()), Agreement::Share);
        assert_eq!(new.meet(&new.to_string()), Agreement::Share);
    }

    #[test]
    fn a_release_that_takes_the_old_away_keeps_the_one_before_the_last_out() {
        let (first, expands, contracts) = (of(1, 1), of(2, 1), of(2, 2));
        assert_eq!(
            contracts.meet(&expands.to_string()),
            Agreement::Raise(contracts),
            "the layout is the same, what is understood is not"
        );
        assert_eq!(expands.meet(&contracts.to_string()), Agreement::Share);
        let refused = first.meet(&contracts.to_string());
        assert!(matches!(refused, Agreement::Refuse(_)), "{refused:?}");
    }

    #[test]
    fn neither_number_is_ever_lowered() {
        assert_eq!(of(2, 2).meet(&of(3, 1).to_string()), Agreement::Raise(of(3, 2)),);
    }

    #[test]
    fn versions_that_do_not_understand_each_other_are_kept_apart_with_a_word_of_advice() {
        for (ours, theirs, advice) in [
            (of(1, 1), of(3, 2), "start a newer version"),
            (of(3, 2), of(1, 1), "one after another"),
        ] {
            let Agreement::Refuse(why) = ours.meet(&theirs.to_string()) else {
                panic!("{ours} and {theirs} were let go on");
            };
            assert!(why.contains(advice), "{why}");
        }
    }

    #[test]
    fn what_is_no_layout_or_has_other_partitions_is_refused() {
        for found in [
            "",
            "layout=1",
            "layout=1 layout_min=x partitions=256",
            "layout=1 layout_min=1 partitions=64",
        ] {
            assert!(matches!(OURS.meet(found), Agreement::Refuse(_)), "{found}");
        }
    }
}

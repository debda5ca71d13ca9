//! The rules of the protocol, each a switch: what it says, and what happens without it. Where a rule acts is in the file of
//! its step; which test takes it away is in `docs/protocol.md`.

/// Declares [`Rules`] with a way to name a rule in text.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One switch per rule; all are on in the protocol as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Rules {
            $($(#[$doc])* pub $name: bool,)*
        }

        impl Rules {
            /// The protocol as it is.
            pub const ALL: Self = Self { $($name: true,)* };

            /// The names of all rules.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The same without the rule of this name; `None` when there is none.
            #[must_use]
            pub fn without(mut self, name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => self.$name = false,)*
                    _ => return None,
                }
                Some(self)
            }
        }
    };
}

rules! {
    // Writing the object.

    /// A hibernation is patched with the version that was read. Without it a late one lands on top of a newer wake.
    hibernation_carries_version,
    /// A wake is patched with the version that was read. Without it a late copy of an old wake lowers the annotation, or
    /// undoes what a hand did since.
    wake_carries_version,
    /// A wake is written also where the object runs already. Without it nothing makes the version that a late hibernation
    /// fails at.
    wake_writes_a_running_object,
    /// A write raises the annotation strictly; an object that carries our generation at rest is our own write. The other rules
    /// carry the protocol without it.
    raises_strictly,
    /// The object is read before the confirmation. In the other order, under the weaker fence, a version is read that a newer wake made.
    reads_before_confirming,
    /// A hibernation is confirmed right before its patch. Without it decisions that are over are still carried out.
    hibernation_is_confirmed,
    /// A patch whose outcome is not known changes nothing in Redis. Put back to running, the session is opened without a
    /// wake, and the patch lands.
    unknown_outcome_changes_nothing,
    /// A conflict changes nothing in Redis either: it is read and confirmed again.
    conflict_changes_nothing,
    /// Five refusals leave a session running, not fenced. Fenced, an earlier attempt of unknown outcome lands under a user.
    refusal_leaves_it_unfenced,

    // Deciding.

    /// A review expires, counts and decides in one script. In two steps somebody comes in between; the confirmation finds them.
    review_is_one_step,
    /// A review expires the silent before it counts. Without it a gateway that died keeps its session awake for ever.
    review_expires_the_silent,
    /// A decision leaves a deadline. Without it nobody takes it up when its actor dies.
    review_leaves_a_deadline,
    /// A review wakes a session at rest that somebody is connected to. Without it one whose heartbeat came back after a hand's
    /// hibernation stays at rest under its user.
    review_wakes_for_the_live,
    /// Generations follow the clock of Redis. Counted instead, used numbers are handed out again after a loss.
    generations_follow_the_clock,
    /// No generation is handed out at or below an annotation that was seen. Without it a foreign annotation stops the session
    /// from sleeping and waking, for ever.
    generations_are_lifted,
    /// Confirmations keep the generation. Raised, the object stays below it, and nothing is recognised as our own write.
    confirmations_keep_the_generation,

    // Stamps: the time of Redis as a replica estimates it, sent with a heartbeat in place of a script.

    /// A stamp only raises. Without it one from a replica that stood still makes a live connection silent.
    stamps_only_raise,
    /// A heartbeat is acknowledged only if the clock of Redis, read right behind it on the same connection, agrees with its stamp.
    /// Without it a gateway is told of a refresh that was none.
    stamps_are_checked,

    // Settling.

    /// A hibernation settles only with the generation that acted. Without it the answer to an old one ends a newer wake.
    settle_checks_generation,
    /// A hibernation settles only if nothing newer of the object was seen. Without it (and without annotation) it hides a hand's wake.
    settle_checks_version,
    /// Settling stores the version of the answer. Without it the late event of our own patch looks new; it changes nothing.
    settle_stores_version,

    // Waking.

    /// The open leaves a wake entry in the same script. Without it the wake dies with its process.
    wake_entry_is_durable,
    /// Only a wake of the same generation removes the entry. Without it an older one that comes back removes the newer one's.
    done_checks_generation,
    /// Under the weaker fence a wake is done only if nothing newer of the object was seen.
    done_checks_version,
    /// Waking ends by an object that carries its annotation (or by its own answer). By any that runs, old news ends it.
    waking_ends_by_its_own_write,
    /// A session that runs and is not fenced is written by its first open. Without it a hibernation sent before lands under that user.
    open_writes_the_unfenced,
    /// A wake past its start limit takes the next generation. With the same one, what landed before is taken for the retry.
    retry_takes_the_next_generation,
    /// A wake given up leaves what runs not fenced.
    giving_up_leaves_it_unfenced,
    /// A wake is given up only when the silent have ended, too. Without it one of them speaks again in a session that is not
    /// fenced, and no open ever writes it.
    giving_up_waits_for_the_silent,

    // Observing.

    /// Versions that are not newer than the one seen are ignored. Without it old news is obeyed as if hands had done it.
    observe_ignores_the_old,
    /// What is older is told by the version. By the annotation, what a hand does after a confirmation is dropped for ever.
    age_is_told_by_version,
    /// An object at rest ends `hibernating` when it is seen. The next try of the act does it too.
    observe_ends_hibernations,
    /// An object that runs says nothing about `hibernating` unless it carries its generation. Without it every older event cancels the
    /// decision in Redis, and not at the platform.
    running_object_cancels_nothing,
    /// A wake by hand leaves the session not fenced. Fenced, a hibernation on its way lands under the next user.
    hand_leaves_it_unfenced,
    /// A hand's hibernation under a user is undone in the same script. Without it the session rests until the next review.
    hand_under_a_user_is_undone,
    /// A record made from an object is not fenced. Fenced, a hibernation sent before a loss lands under the user who opens it.
    first_seen_is_unfenced,
    /// All objects are listed anew after a loss or a failover. Without it a session whose object does not change stays unknown.
    lists_anew,
    /// Each review compares the version the record has seen with the watch's. Without it, and without listing anew, what a failover
    /// took back stays taken back.
    compares_versions,

    // Loss and failover.

    /// Another server begins a hold. Without it the open it lost is not missed, and its session is put to sleep.
    failover_holds,
    /// A decision has reached a replica before it is acted on. Without it a failover takes it back while its patch is on the way.
    confirmation_is_replicated,
    /// A connection brought back after a loss is opened again. With heartbeats alone nobody writes the object, and nobody
    /// looks whether it is at rest.
    provisional_is_opened_again,

    // The weaker fence.

    /// A wake that changes nothing waits for the marks of hibernations on their way.
    wakes_wait_for_marks,
    /// A mark belongs to a patch. One per actor is taken away by the report of its second try while the first is on its way.
    marks_are_per_patch,
    /// After a hold began, marks count as lost for the time of one patch.
    lost_marks_are_waited_for,
    /// That the platform took a wake is kept while the session is not ready. Without it nothing says that the object runs by this wake.
    accepted_is_kept,
}

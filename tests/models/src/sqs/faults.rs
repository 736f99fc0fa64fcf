//! Faults that a test plants: which calls do not go as they should, and how often.

use super::{Action, Refusal};

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and has no effect.
    Refuse(Refusal),
    /// It has its effect, and the answer is lost on its way.
    Unheard,
    /// Every n-th entry of a batch fails with an error of the server, without effect.
    FailEvery(usize),
    /// A standard queue hands the first message of a receive out twice.
    Repeat,
    /// The first message that a receive brings has another body than its MD5 says.
    DamageBody,
    /// The first message that a receive brings has other attributes than their MD5 says.
    DamageAttributes,
    /// The answer comes this many milliseconds later.
    Late(u64),
}

/// The faults that are planted.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    planted: Vec<(Option<Action>, Fault, Option<u32>)>,
}

impl Faults {
    /// From now on calls of this action, or of every action, go wrong this way: so often, or until
    /// [`Faults::clear`].
    pub fn plant(&mut self, action: Option<Action>, fault: Fault, times: Option<u32>) {
        self.planted.push((action, fault, times));
    }

    /// Takes all faults away.
    pub fn clear(&mut self) {
        self.planted.clear();
    }

    /// What goes wrong with this call: asked once a call.
    pub fn strike(&mut self, action: Action) -> Struck {
        let mut struck = Struck::default();
        for (_, fault, times) in self
            .planted
            .iter_mut()
            .filter(|(only, _, times)| only.is_none_or(|it| it == action) && *times != Some(0))
        {
            if let Some(left) = times {
                *left -= 1;
            }
            match fault {
                Fault::Refuse(refusal) => struck.refuse = Some(refusal.clone()),
                Fault::Unheard => struck.unheard = true,
                Fault::FailEvery(n) => struck.fail_every = Some(*n),
                Fault::Repeat => struck.repeat = true,
                Fault::DamageBody => struck.damage_body = true,
                Fault::DamageAttributes => struck.damage_attributes = true,
                Fault::Late(millis) => struck.late += *millis,
            }
        }
        struck
    }
}

/// All that goes wrong with one call.
#[derive(Debug, Clone, Default)]
pub struct Struck {
    /// It is refused.
    pub refuse: Option<Refusal>,
    /// Nobody hears the answer.
    pub unheard: bool,
    /// Every n-th entry fails.
    pub fail_every: Option<usize>,
    /// The first message comes twice.
    pub repeat: bool,
    /// The body is another than its digest says.
    pub damage_body: bool,
    /// The attributes are others than their digest says.
    pub damage_attributes: bool,
    /// Milliseconds that the answer is late.
    pub late: u64,
}

impl Struck {
    /// Whether the entry at this place of a batch fails.
    pub fn fails(&self, idx: usize) -> bool {
        self.fail_every.is_some_and(|n| idx % n.max(1) == n.max(1) - 1)
    }
}
